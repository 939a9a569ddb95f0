"""TensorBoard reads what we write."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fpc.core.files import write_table
from fpc.lineage.manifest import read
from fpc.workflow import tensorboard as events
from fpc.workflow.loader import load
from fpc.workflow.phases.collect import collect
from fpc.workflow.phases.finetune import finetune
from fpc.workflow.phases.pretrain import pretrain


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    found = EventAccumulator(str(folder / events.FOLDER)).Reload()
    tags = found.Tags()["scalars"]
    return {tag: [(item.step, pytest.approx(item.value)) for item in found.Scalars(tag)] for tag in tags}


def test_the_file_of_a_table_holds_its_means_and_is_the_same_twice(tmp_path: Path) -> None:
    rows = [(0, 1, "return", 1.0), (0, 1, "return", 3.0), (5, 1, "return", 4.0), (5, 1, "loss", float("nan"))]
    write_table(tmp_path / events.TABLE, pd.DataFrame(rows, columns=["step", "seed", "metric", "value"]))
    events.from_table(tmp_path)
    assert scalars(tmp_path) == {"return": [(0, 2.0), (5, 4.0)]}
    first = (tmp_path / events.FILE).read_bytes()
    events.from_table(tmp_path)
    assert (tmp_path / events.FILE).read_bytes() == first


def test_each_seed_of_a_table_has_its_own_curve(tmp_path: Path) -> None:
    rows = [(0, 0, "return", 1.0), (0, 1, "return", 3.0)]
    write_table(tmp_path / events.TABLE, pd.DataFrame(rows, columns=["step", "seed", "metric", "value"]))
    events.from_table(tmp_path)
    assert scalars(tmp_path) == {"return/0": [(0, 1.0)], "return/1": [(0, 3.0)]}


def test_reports_of_a_running_run_can_be_read(tmp_path: Path) -> None:
    for step in (3, 6):
        events.append(tmp_path, step, {"return": step / 2})
    assert scalars(tmp_path) == {"return": [(3, 1.5), (6, 3.0)]}


@pytest.mark.usefixtures("project")
def test_a_published_run_has_its_events_beside_the_table_and_not_in_the_manifest() -> None:
    configuration = load("tiny")
    pretrain(configuration, "two_state_mdp", (0,))
    collect(configuration, "two_state_mdp", (0,))
    finetune(configuration, "two_state_mdp", "vanilla", (0,))
    folder = Path("results/tiny/two_state_mdp/finetune/vanilla/seed_0")
    table = pd.read_parquet(folder / events.TABLE)
    assert {name.partition("/")[0] for name in scalars(folder)} == set(table["metric"])
    assert not any("tensorboard" in name for name in read(folder / "manifest.json").subjects)
