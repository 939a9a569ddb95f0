"""figure: draw one figure of the paper from tables, as SVG, PNG and the plotted data as CSV."""

from __future__ import annotations

from fpc.core.files import digest_of
from fpc.domains.registry import derived_tables
from fpc.figures.catalogue import figure_domain
from fpc.figures.drawing import load_figure
from fpc.figures.interface import FigureSettings
from fpc.figures.publication import publish, stamp
from fpc.lineage.artifact import command
from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import execute
from fpc.workflow.recording import recorded
from fpc.workflow.run import Run
from fpc.workflow.run_table import figure_row, parents, section_of
from fpc.workflow.tables import read_tables


def figure(configuration: Configuration, name: str) -> None:
    """Draw the figure called ``name`` and publish its files."""
    row = figure_row(configuration, name)
    drawn = load_figure(name)

    def work(run: Run) -> None:
        tables = read_tables(configuration, parents(configuration, row), {"episodes", *drawn.entry.tables})
        tables = {**tables, **recorded(configuration, row, drawn.entry, tables)}
        section, options = section_of(configuration, row), configuration.figure
        settings = FigureSettings(
            scale=configuration.label,
            interval=options.interval,
            resamples=options.resamples,
            seed=options.seed,
            stamp=stamp(
                configuration.label, drawn.entry, tables["episodes"], section["unequal_budget"].values()
            ),
        )
        publish(
            drawn,
            tables,
            settings,
            command=command(row),
            identifier=digest_of(section),
            derive=derived_tables(figure_domain(name)) if drawn.entry.derived else {},
            folder=run.output,
        )
        film = f"{name}.gif"
        if not (run.output / film).exists():  # an earlier one belongs to other data
            (row.folder / film).unlink(missing_ok=True)

    execute(configuration, row, work)
