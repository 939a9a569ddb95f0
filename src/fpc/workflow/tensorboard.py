"""Scalars for TensorBoard: ``tensorboard --logdir results/<scale>``.

The event file is a view of the training table, not an artifact: it is hidden, in no manifest and not in
git. During a run it is in the run's folder in ``results/.runs/`` and grows with each report; when the run
is published it is written again from the table.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import pandas as pd

FOLDER = ".tensorboard"
FILE = Path(FOLDER) / "events.out.tfevents.0.fpc"
TABLE = "training.parquet"
Row = tuple[float, int, Mapping[str, float]]  # time in seconds, step, values


def append(output: Path, step: int, values: Mapping[str, float]) -> None:
    """Append the scalars of one step to the event file below ``output``."""
    path = output / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        _write(file, [(time.time(), step, values)])


def from_table(output: Path) -> None:
    """Write the event file from the training table in ``output``; without a table, remove it.

    Wall times are the steps, so that the file depends on the table alone.
    """
    from fpc.core.files import atomic_path, read_table

    table = output / TABLE
    if not table.exists():
        shutil.rmtree(output / FOLDER, ignore_errors=True)
        return
    with atomic_path(output / FILE) as temporary, temporary.open("wb") as file:
        _write(file, _rows(read_table(table)))


def _rows(table: pd.DataFrame) -> Iterator[Row]:
    """Means by step and metric; several conditions or seeds become part of the metric's name."""
    names = table["metric"].astype(str)
    for column in ("condition", "seed"):
        if column in table and table[column].nunique() > 1:
            names = names + "/" + table[column].astype(str)
    means = table.assign(name=names).groupby(["step", "name"], sort=True)["value"].mean()
    for step, part in means.groupby(level="step"):
        values = part.droplevel("step").dropna()
        yield float(step), int(step), dict(zip(values.index, values.tolist(), strict=True))  # type: ignore[arg-type]


def _write(file: BinaryIO, rows: Iterable[Row]) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    writer = RecordWriter(file)
    if file.tell() == 0:
        writer.write(Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
    for wall_time, step, values in rows:
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        event = Event(wall_time=wall_time, step=step, summary=Summary(value=scalars))
        writer.write(event.SerializeToString())
