"""figure: draw one figure of the paper from tables, as SVG, PNG and the plotted data as CSV."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from fpc.core.files import digest_of, write_bytes
from fpc.figures import style
from fpc.figures.embedded import SOURCE, content_digest, source_of
from fpc.figures.interface import Animated, FigureSettings
from fpc.figures.registry import load_figure
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


def figure(configuration: Configuration, name: str) -> None:
    """Draw the figure called ``name`` and publish its three files."""
    row = figure_row(configuration, name)
    module = load_figure(name)

    def work(run: Run) -> None:
        tables = read_tables(configuration, parents(configuration, row), {"episodes", *module.TABLES})
        settings = FigureSettings(
            scale=configuration.label,
            interval=configuration.figure.interval,
            resamples=configuration.figure.resamples,
            seed=configuration.figure.seed,
            stamp=stamp(configuration, tables, matching(configuration, module.EXPERIMENTS)),
        )
        data = module.data(tables, settings)
        published = data.assign(scale=configuration.label)
        digest = content_digest(published)
        metadata = {
            "Title": module.TITLE,
            "Source": command(row),
            "Content": digest,
            "Identifier": digest_of(section_of(configuration, row)),
            "Stamp": settings.stamp,
        }
        published[SOURCE] = source_of(command(row), digest)
        style.save(module.draw(data, settings), published, run.output, name, metadata)
        if isinstance(module, Animated):
            write_bytes(run.output / f"{name}.gif", module.animate(data, settings))

    execute(configuration, row, work)
