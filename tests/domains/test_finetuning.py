"""The training table of a fine-tuned run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from fpc.core.metric_log import MetricLog
from fpc.domains.finetuning import Finetuning, with_never_visited
from fpc.learners.interface import Trained
from fpc.retention.interface import MethodOptions
from fpc.workflow.run import Run


def test_far_probes_that_were_never_visited_are_named_at_the_end(tmp_path: Path) -> None:
    log = MetricLog()
    log.add(7, **{"return": 1.5})
    log.add_first_visit(9, "1_push-wall")
    run = Run("tiny", "toy", "finetune", "vanilla", (4,), tmp_path / "state", tmp_path / "output", {})
    work = Finetuning.of(run, "vanilla", MethodOptions(), 60)
    work.finish(Trained({}, {}, log.table(4), True), ["1_push-wall", "2_peg-unplug-side"])
    table = pd.read_parquet(run.output / "training.parquet")
    assert table.to_numpy().tolist()[:2] == [[7, 4, "return", 1.5], [9, 4, "first_visit_1_push-wall", 9.0]]
    assert list(table.iloc[2])[:3] == [60, 4, "first_visit_2_peg-unplug-side"]
    assert np.isnan(table["value"].iloc[2])
    assert len(table) == 3
    assert [kind.kind for kind in table.dtypes] == ["i", "i", "O", "f"]


def test_a_table_with_all_visits_stays_as_it_is() -> None:
    log = MetricLog()
    log.add_first_visit(9, "1_push-wall")
    table = log.table(4)
    assert with_never_visited(table, ["1_push-wall"], 60) is table
