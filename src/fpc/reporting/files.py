"""The files of the phases claims and report, from tables and published artifacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

import pandas as pd

from fpc.claims.claim import ClaimContext
from fpc.claims.seeds import seeds_table
from fpc.claims.testing import by_experiment, evaluate_claims, metrics
from fpc.core.files import read_json, write_json, write_text
from fpc.figures.catalogue import figure_entry
from fpc.reporting.ledger import to_markdown
from fpc.reporting.page import ReportFigure, render_report

LEDGER, SEEDS = "claims.json", "claims_seeds.csv"


def write_claims(tables: Mapping[str, pd.DataFrame], context: ClaimContext, folder: Path) -> None:
    """Write ``claims.json``, ``claims.md``, ``metrics.json`` and ``claims_seeds.csv``.

    Args:
        tables: the tables in ``TABLES_READ``, of all experiments.
        context: scale, level and number of seeds for testing the claims.
        folder: destination of the files.
    """
    results = evaluate_claims(by_experiment(tables), context)
    write_json(folder / LEDGER, [result.record() for result in results])
    write_text(folder / "claims.md", to_markdown(results, context))
    write_json(folder / "metrics.json", metrics(results))
    seeds = seeds_table(tables.get("episodes", pd.DataFrame(columns=["measure"])))  # none: no experiments
    write_text(folder / SEEDS, seeds.to_csv(index=False, lineterminator="\n"))


def write_report(
    title: str,
    scale: str,
    figures: Iterable[tuple[str, Path]],
    claims: Path,
    details: Mapping[str, str],
    folder: Path,
) -> None:
    """Write ``report.html``.

    Args:
        title: title of the page.
        scale: name of the scale, with its variant.
        figures: name and published folder of each, in display order.
        claims: folder of the published claims.
        details: further entries for the page's header.
        folder: destination of the files.
    """
    page = render_report(
        title=title,
        scale=scale,
        claims=read_json(claims / LEDGER),
        figures=[_figure(name, published) for name, published in figures],
        seeds=pd.read_csv(StringIO((claims / SEEDS).read_text("utf-8"))),
        details=details,
    )
    write_text(folder / "report.html", page)


def _figure(name: str, folder: Path) -> ReportFigure:
    entry, film = figure_entry(name), folder / f"{name}.gif"
    png, csv = (folder / f"{name}.png").read_bytes(), (folder / f"{name}.csv").read_text("utf-8")
    return ReportFigure(
        name, entry.title, entry.caption, png, csv, film.read_bytes() if film.exists() else None
    )
