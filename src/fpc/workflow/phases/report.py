"""report: one self-contained HTML page with every figure, claim and seed of this scale."""

from __future__ import annotations

from io import StringIO

import pandas as pd

from fpc.core.files import read_json, sha256_of, write_text
from fpc.figures.catalogue import figure_entry
from fpc.lineage.artifact import command
from fpc.reporting.page import ReportFigure, render_report
from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import execute
from fpc.workflow.phases.claims import SEEDS
from fpc.workflow.run import Run
from fpc.workflow.run_table import closing_row, figure_row


def report(configuration: Configuration) -> None:
    """Publish ``report.html``."""
    row = closing_row(configuration, "report")
    claims_row = closing_row(configuration, "claims")

    def work(run: Run) -> None:
        figures = []
        for name in configuration.figure.names:
            folder = figure_row(configuration, name).folder
            png, csv = (folder / f"{name}.png").read_bytes(), (folder / f"{name}.csv").read_text("utf-8")
            film = folder / f"{name}.gif"
            gif = film.read_bytes() if film.exists() else None
            entry = figure_entry(name)
            figures.append(ReportFigure(name, entry.title, entry.caption, png, csv, gif))
        seeds = pd.read_csv(StringIO((claims_row.folder / SEEDS).read_text("utf-8")))
        page = render_report(
            title=configuration.report.title,
            scale=configuration.label,
            claims=read_json(claims_row.folder / "claims.json"),
            figures=figures,
            seeds=seeds,
            details={
                "made by": command(row),
                "claims manifest": f"{claims_row.manifest} (sha256 {sha256_of(claims_row.manifest)[:16]})",
            },
        )
        write_text(run.output / "report.html", page)

    execute(configuration, row, work)
