"""Rounds of episodes from few start states."""

from __future__ import annotations

import pandas as pd

from fpc.core.rounds import ROUND, are_few, with_rounds

COLUMNS = [
    "experiment",
    "condition",
    "method",
    "seed",
    "probe",
    "measure",
    "step",
    "start",
    "episode",
    "value",
]


def rows(
    experiment: str = "one", condition: str = "a", measure: str = "success", step: int = 0
) -> pd.DataFrame:
    """Five episodes from two start states: two rounds, and one episode more."""
    values = [
        (experiment, condition, "pi_star", 0, "far", measure, step, number % 2, number, float(number))
        for number in range(5)
    ]
    return pd.DataFrame(values, columns=COLUMNS)


def test_each_measure_condition_step_and_experiment_has_its_own_rounds() -> None:
    parts = [
        rows(),
        rows(measure="return"),
        rows(condition="b"),
        rows(step=10),
        rows(experiment="two"),
        rows().assign(condition=None),
    ]
    alone = [with_rounds(part) for part in parts]
    assert all(part.sort_values("episode")[ROUND].tolist() == [0, 0, 1, 1] for part in alone)
    together = with_rounds(pd.concat(parts, ignore_index=True))
    assert len(together) == sum(map(len, alone))
    assert together[ROUND].value_counts().to_dict() == {0: 12, 1: 12}


def test_start_states_are_counted_by_probe_and_experiment() -> None:
    few = rows()
    many = rows(experiment="two").assign(start=range(5))
    both = pd.concat([few, many, rows().assign(probe="other", start=[2, 3, 4, 2, 3])], ignore_index=True)
    assert are_few(both).tolist() == [True] * 5 + [False] * 5 + [True] * 5
