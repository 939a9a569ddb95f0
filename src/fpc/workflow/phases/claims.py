"""claims: test every claim about the domains that are run against their tables, and list every seed."""

from __future__ import annotations

from fpc.claims.claim import TABLES_READ, ClaimContext
from fpc.core.tables import TABLES
from fpc.lineage.artifact import Row
from fpc.reporting.files import write_claims
from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import execute
from fpc.workflow.run import Run
from fpc.workflow.run_table import closing_row, parents
from fpc.workflow.tables import read_tables


def claims(configuration: Configuration) -> None:
    """Publish ``claims.json``, ``claims.md``, ``metrics.json`` and every seed's final success."""
    row = closing_row(configuration, "claims")
    made_from = parents(configuration, row)
    section = configuration.claims
    context = ClaimContext(
        scale=configuration.label,
        level=section.level,
        resamples=section.resamples,
        seed=section.seed,
        minimum_seeds=section.minimum_seeds,
        paths=table_paths(made_from),
        domains=configuration.domains,
    )

    def work(run: Run) -> None:
        write_claims(read_tables(configuration, made_from, TABLES_READ), context, run.output)

    execute(configuration, row, work)


def table_paths(made_from: list[Row]) -> dict[str, tuple[str, ...]]:
    """Experiment -> paths of the tables that its claims read."""
    found: dict[str, list[str]] = {}
    for row in made_from:
        existing = [row.folder / f"{name}.parquet" for name in TABLES[row.phase] if name in TABLES_READ]
        paths = [path.as_posix() for path in existing if path.exists()]
        found.setdefault(row.experiment or "", []).extend(paths)
    return {experiment: tuple(sorted(paths)) for experiment, paths in found.items()}
