"""figure: draw one figure of the paper from tables, as SVG, PNG and the plotted data as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from fpc.core.errors import unknown
from fpc.core.files import digest_of, write_bytes
from fpc.domains.registry import load_domain
from fpc.figures import style
from fpc.figures.catalogue import figure_domain
from fpc.figures.drawing import load_figure
from fpc.figures.embedded import SOURCE, content_digest, source_of
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings
from fpc.lineage.artifact import command
from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import execute
from fpc.workflow.run import Run
from fpc.workflow.run_table import figure_row, matching, parents, section_of
from fpc.workflow.tables import read_tables


def stamp(configuration: Configuration, tables: Mapping[str, pd.DataFrame], names: Iterable[str]) -> str:
    """Scale, seeds and steps, and why budgets differ where they do."""
    table = tables["episodes"]
    seeds = table["seed"].nunique()
    parts = [configuration.label, f"{seeds} seed{'s' * (seeds > 1)}", f"{table['step'].max():,} steps"]
    for name in names:
        reason = configuration.experiments[name].unequal_budget
        parts += [f"unequal budgets: {reason}"] if reason else []
    return " | ".join(parts)


def derived_tables(entry: Entry, data: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables that an entry names as derived, from the plotted data, made by the figure's domain.

    Raises:
        ValueError: the domain derives no such table.
    """
    if not entry.derived:
        return {}
    domain = load_domain(figure_domain(entry.name))
    known = domain.derived_tables()
    for name in entry.derived:
        if name not in known:
            raise ValueError(f"{entry.name}: {unknown(f'table derived by {domain.name}', name, known)}")
    return {name: known[name](data) for name in entry.derived}


def figure(configuration: Configuration, name: str) -> None:
    """Draw the figure called ``name`` and publish its three files."""
    row = figure_row(configuration, name)
    drawn = load_figure(name)

    def work(run: Run) -> None:
        tables = read_tables(configuration, parents(configuration, row), {"episodes", *drawn.entry.tables})
        settings = FigureSettings(
            scale=configuration.label,
            interval=configuration.figure.interval,
            resamples=configuration.figure.resamples,
            seed=configuration.figure.seed,
            stamp=stamp(configuration, tables, matching(configuration, drawn.entry.experiments)),
        )
        data = drawn.data(tables, settings)
        published = data.assign(scale=configuration.label)
        digest = content_digest(published)
        metadata = {
            "Title": drawn.entry.title,
            "Source": command(row),
            "Content": digest,
            "Identifier": digest_of(section_of(configuration, row)),
            "Stamp": settings.stamp,
        }
        published[SOURCE] = source_of(command(row), digest)
        derived = derived_tables(drawn.entry, data)
        style.save(drawn.draw(data, settings, **derived), published, run.output, name, metadata)
        film = drawn.animate(data, **derived)
        if film is not None:
            write_bytes(run.output / f"{name}.gif", film)

    execute(configuration, row, work)
