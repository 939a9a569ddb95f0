"""The tables that figures, claims and the report read; each is checked against its manifest."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import pandas as pd

from fpc.core.errors import UserError
from fpc.core.files import read_table, sha256_of
from fpc.core.tables import TABLES, join, with_identity
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import read
from fpc.workflow.configuration import Configuration


class TableError(UserError):
    """A table is missing or does not match its manifest."""


def read_row(configuration: Configuration, row: Row, names: Collection[str]) -> dict[str, pd.DataFrame]:
    """The tables in ``names`` that one run published, with columns domain, experiment and method.

    Tables of ``collect`` belong to no method: their method is ``expert`` and their seed is that of pi*.

    Raises:
        TableError: a table does not match its manifest.
    """
    assert row.experiment is not None
    subjects = read(row.manifest).subjects
    found = {}
    for name in TABLES[row.phase]:
        path = row.folder / f"{name}.parquet"
        digest = subjects.get(path.name)
        if digest is None or name not in names:
            continue
        if not path.exists() or sha256_of(path) != digest:
            raise TableError(f"{path} is missing or altered; make it again: delete {row.manifest}")
        found[name] = with_identity(
            read_table(path),
            domain=configuration.experiments[row.experiment].domain,
            experiment=row.experiment,
            method=row.method,
            seed=row.seeds[0],
        )
    return found


def read_tables(
    configuration: Configuration, rows: Iterable[Row], names: Collection[str]
) -> Mapping[str, pd.DataFrame]:
    """The tables in ``names`` of many runs, concatenated by name."""
    return join(read_row(configuration, row, names) for row in rows if row.phase in TABLES)
