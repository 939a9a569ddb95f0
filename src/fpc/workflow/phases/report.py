"""report: one self-contained HTML page with every figure, claim and seed of this scale."""

from __future__ import annotations

from fpc.core.files import sha256_of
from fpc.lineage.artifact import command
from fpc.reporting.files import write_report
from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import execute
from fpc.workflow.run import Run
from fpc.workflow.run_table import closing_row, figure_row


def report(configuration: Configuration) -> None:
    """Publish ``report.html``."""
    row, claims = closing_row(configuration, "report"), closing_row(configuration, "claims")

    def work(run: Run) -> None:
        write_report(
            title=configuration.report.title,
            scale=configuration.label,
            figures=[(name, figure_row(configuration, name).folder) for name in configuration.figure.names],
            claims=claims.folder,
            details={
                "made by": command(row),
                "claims manifest": f"{claims.manifest} (sha256 {sha256_of(claims.manifest)[:16]})",
            },
            folder=run.output,
        )

    execute(configuration, row, work)
