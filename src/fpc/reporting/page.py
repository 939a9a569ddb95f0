"""The report: a single HTML page without other files, scripts or network access."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from fpc.claims.claim import Outcome
from fpc.claims.seeds import KEYS
from fpc.reporting.embedding import compact_image, compressed, data_uri
from fpc.reporting.ledger import measured_text


@dataclass(frozen=True)
class ReportFigure:
    """A published figure: its PNG, its plotted data as CSV text, and its animation if it has one."""

    name: str
    title: str
    caption: str
    png: bytes
    csv: str
    gif: bytes | None = None

    @property
    def heading(self) -> str:
        """``figure_3c`` as Figure 3c."""
        word, _, number = self.name.partition("_")
        return f"{word.capitalize()} {number}"

    @property
    def image(self) -> str:
        """The image, compressed, as a data URI."""
        return data_uri(compact_image(self.png), "image/webp")

    @property
    def film(self) -> str | None:
        """The GIF as a data URI."""
        return None if self.gif is None else data_uri(self.gif, "image/gif")

    @property
    def download(self) -> str:
        """The plotted data, compressed, as a data URI."""
        return data_uri(compressed(self.csv), "application/gzip")


def render_report(
    title: str,
    scale: str,
    claims: Sequence[Mapping[str, Any]],
    figures: Sequence[ReportFigure],
    seeds: pd.DataFrame,
    details: Mapping[str, str],
) -> str:
    """Render the page.

    Args:
        title: title of the page.
        scale: name of the scale, with its variant.
        claims: records of ``claims.json``.
        figures: in display order.
        seeds: the result of ``fpc.claims.seeds.seeds_table``.
        details: further entries for the page's header, such as commit and command.

    Returns:
        HTML; the same input gives the same bytes.
    """
    environment = Environment(
        loader=PackageLoader("fpc.reporting"),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2").render(
        title=title,
        scale=scale,
        counts=[(outcome.words, sum(claim["verdict"] == outcome for claim in claims)) for outcome in Outcome],
        domains=_by_domain(claims),
        figures=figures,
        seeds=_seed_rows(seeds),
        details=details,
        words={outcome.value: outcome.words for outcome in Outcome},
    )


def _by_domain(claims: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    rows = [{**claim, "measured_text": _measured(claim)} for claim in claims]
    return [(domain, list(part)) for domain, part in groupby(rows, key=lambda claim: str(claim["domain"]))]


def _measured(claim: Mapping[str, Any]) -> str:
    return measured_text(claim["measured"], *claim["interval"]) or "–"


def _seed_rows(seeds: pd.DataFrame) -> list[dict[str, Any]]:
    """One row per line of the table, with its seeds' values in order."""
    rows: list[dict[str, Any]] = []
    table = seeds.assign(condition=seeds["condition"].fillna(""))
    for key, group in table.groupby(KEYS, sort=True, observed=True):
        names = dict(zip(KEYS, key, strict=True))
        steps = sorted(int(step) for step in group["step"].unique())
        pairs = zip(group["seed"].to_numpy(), group["value"].to_numpy(), strict=True)
        values = [(int(seed), f"{value:.2f}" if value < 100 else f"{value:,.0f}") for seed, value in pairs]
        rows.append({**names, "steps": ", ".join(f"{step:,}" for step in steps), "values": values})
    return rows
