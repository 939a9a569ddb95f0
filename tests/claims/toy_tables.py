"""Hand-made tables of the toys with known outcomes for every claim."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd

CONDITIONS = ((10, 0.5), (20, 0.5), (30, 0.5), (30, 0.1), (30, 2.0))
COVERAGE = (0.0, 0.111, 2.222)  # theta of pi*, then theta and value at the end
Quantity = Callable[[float, float], float]  # of M and c


def two_states(
    start: float = COVERAGE[0], end: float = COVERAGE[1], value: float = COVERAGE[2]
) -> pd.DataFrame:
    """Episodes of the coverage gap, in which f = 1 - 2 theta, and of the cloning gap."""
    rows = [
        ("coverage", step, measure, height)
        for step, theta, v in ((0, start, 0.0), (50, 0.05, 1.0), (100, end, value))
        for measure, height in (
            ("reach_probability", theta),
            ("value", v),
            ("stay_probability", 1.0 - 2.0 * theta),
        )
    ]
    rows += [("cloning", 100, "reach_probability", 0.081), ("cloning", 100, "value", 9.93)]
    table = pd.DataFrame(rows, columns=["condition", "step", "measure", "value"])
    return table.assign(
        experiment="two_state_mdp", method="vanilla", seed=0, probe="whole", group="whole", episode=0
    )


def lost(distance: float, signal: float) -> float:
    """Drop of P(left): more with M, less with c."""
    return distance / 60 - 0.1 * signal


def success(distance: float, signal: float) -> float:
    """Success on the whole task: less with M."""
    return 1.0 - distance / 40


def reached(distance: float, signal: float) -> float:
    """Share of early episodes that reach phase 2: less with M."""
    return 0.8 - distance / 60


def apples(
    drop: Quantity = lost, solved: Quantity = success, knowledge: float = 1.0, seeds: int = 5
) -> pd.DataFrame:
    """P(left) in phase 2 drops by ``drop(M, c)``; |b|/|w| is 1/c."""
    rows: list[tuple[object, ...]] = []
    for distance, signal in CONDITIONS:
        condition = f"M={distance},c={signal:g}"
        for seed in range(seeds):
            apart = 1.0 + 0.01 * (seed - seeds // 2)
            lowest = 1.0 - drop(distance, signal) * apart
            for step, skill in ((0, 1.0), (10, lowest), (20, 1.0)):
                key = (condition, seed, step)
                rows.append((*key, "phase_2", "far", 0, "success", knowledge))
                rows.append((*key, "phase_2", "far", -1, "correct_probability", skill))
                rows.append((*key, "whole", "whole", 0, "success", solved(distance, signal) * apart))
                rows.append((*key, "whole", "whole", -1, "weight_ratio", apart / signal))
    names = ["condition", "seed", "step", "probe", "group", "episode", "measure", "value"]
    return pd.DataFrame(rows, columns=names).assign(experiment="apple_retrieval", method="vanilla")


def apple_training(early: Quantity = reached, seeds: int = 5) -> pd.DataFrame:
    """Bins of training: ``early(M, c)`` of the first ones reach phase 2, later all do."""
    rows = [
        (f"M={distance},c={signal:g}", seed, step, "reached_phase_2", value * (1.0 + 0.01 * seed))
        for distance, signal in CONDITIONS
        for seed in range(seeds)
        for step, value in (
            (0, early(distance, signal)),
            (20, early(distance, signal)),
            (60, 1.0),
            (100, 1.0),
        )
    ]
    table = pd.DataFrame(rows, columns=["condition", "seed", "step", "metric", "value"])
    return table.assign(experiment="apple_retrieval", method="vanilla")


def toys() -> dict[str, dict[str, pd.DataFrame]]:
    """Tables of both toys that agree with the paper."""
    return {
        "two_state_mdp": {"episodes": two_states()},
        "apple_retrieval": {"episodes": apples(), "training": apple_training()},
    }
