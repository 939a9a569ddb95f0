"""The metrics of a training run."""

from __future__ import annotations

from fpc.core.metric_log import MetricLog


def test_a_first_visit_is_noted_once_also_after_a_restart() -> None:
    log = MetricLog()
    log.add(3, reward=1.0)
    log.add_first_visit(7, "2_peg-unplug-side")
    log.add_first_visit(9, "2_peg-unplug-side")
    continued = MetricLog()
    continued.restore(log.names, log.tensor())
    continued.add_first_visit(11, "2_peg-unplug-side")
    continued.add_first_visit(11, "3_push-wall")
    rows = continued.table(seed=4).itertuples(index=False)
    assert [tuple(row) for row in rows] == [
        (3, 4, "reward", 1.0),
        (7, 4, "first_visit_2_peg-unplug-side", 7.0),
        (11, 4, "first_visit_3_push-wall", 11.0),
    ]
