"""Tables that a figure's domain records from weights, when the figure is drawn."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from fpc.core.errors import unknown
from fpc.core.tables import PI_STAR
from fpc.domains.recording import SHOWN_SEED, Published, Runs
from fpc.domains.registry import recorded_tables
from fpc.figures.catalogue import figure_domain
from fpc.figures.embedded import SOURCE, read_source
from fpc.figures.entry import Entry
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import read
from fpc.workflow.configuration import Configuration
from fpc.workflow.run_table import matching, parents


def recorded(
    configuration: Configuration, row: Row, entry: Entry, tables: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """The tables in ``entry.recorded``, from the runs of seed 0 of the figure's first experiment.

    Args:
        configuration: the configuration.
        row: the figure's row.
        entry: the figure's entry.
        tables: the tables that the figure reads.

    Raises:
        DataError: weights are not here, and the figure's CSV holds nothing recorded from them.
    """
    if not entry.recorded:
        return {}
    known = recorded_tables(figure_domain(entry.name))
    for name in entry.recorded:
        if name not in known:
            raise ValueError(f"{entry.name}: {unknown('recorded table', name, known)}")
    experiment = matching(configuration, entry.experiments)[0]
    read_by = parents(configuration, row)
    runs = _runs([parent for parent in read_by if parent.experiment == experiment])
    section, earlier = configuration.experiments[experiment], _earlier(row)
    return {name: known[name](section, tables, runs, earlier) for name in entry.recorded}


def _runs(rows: list[Row]) -> Runs:
    return {
        (row.phase, row.method): Published(row.folder, read(row.manifest).subjects)
        for row in rows
        if SHOWN_SEED in row.seeds and row.phase != "evaluate" and row.method != PI_STAR
    }


def _earlier(row: Row) -> pd.DataFrame | None:
    """The rows that the figure published earlier, as text; None if there are none, or they were altered."""
    path = row.folder / f"{row.name}.csv"
    try:
        read_source(path)
    except ValueError:
        return None
    return pd.read_csv(path, dtype=str, keep_default_na=False).drop(columns=[SOURCE, "scale"])
