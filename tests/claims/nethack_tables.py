"""Hand-made tables of NetHack, on which every claim's outcome is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd

from fpc.core.tables import NO_START, PI_STAR

WARM_UP, STEPS = 25_000_000, (0, 26_000_000, 500_000_000)
VISITED = 30_000_000  # the first visit to Far
Ends = Mapping[str, tuple[float, float]]  # method -> value at the first and at the last step
SCORES: Ends = {
    "scratch": (0.0, 776.0),
    "vanilla": (5000.0, 647.0),
    "behavioral_cloning": (5000.0, 7610.0),
    "kickstarting": (5000.0, 10588.0),
    "ewc": (5000.0, 3976.0),
    "scratch_kickstarting": (0.0, 2090.0),
    "scratch_behavioral_cloning": (0.0, 2809.0),
}
Row = tuple[str, int, int, str, str, int, int, str, float]
METHODS = ("scratch", "vanilla", "ewc", "behavioral_cloning", "kickstarting")
FAR: Ends = dict(zip(METHODS, [(0, 40), (400, 60), (400, 380), (400, 500), (400, 600)], strict=True))
SOKOBAN: Ends = dict(zip(METHODS, [(0, 0.02), (1, 0.05), (1, 0.6), (1, 0.95), (1, 0.5)], strict=True))
DRIFT = {"vanilla": 1.0, "behavioral_cloning": 0.2, "kickstarting": 0.3, "ewc": 0.5}
COLUMNS: Mapping[str, tuple[float, ...]] = {  # as METHODS
    "turns": (6696, 7756, 16725, 22895, 24436),
    "depth": (1.06, 1.02, 1.41, 1.7, 2.66),
    "experience_level": (4.07, 2.73, 6.29, 7.30, 7.73),
    "gold": (5.3, 9.3, 217, 582, 857),
    "scout": (371, 150, 720, 959, 1551),
}
BEFORE = {"vanilla": 200.0, "ewc": 390.0, "behavioral_cloning": 400.0, "kickstarting": 405.0}  # at STEPS[1]
PITS_BEFORE = 0.3  # vanilla's in Sokoban at STEPS[1]
CURVES: Mapping[str, Mapping[float, float]] = {  # millions of steps after the warm-up -> return
    "kickstarting": {0: 5000, 20: 7200, 140: 9500, 470: 10800},
    "behavioral_cloning": {0: 5000, 140: 8200, 470: 7200},
    "ewc": {0: 5000, 25: 6800, 100: 4000, 470: 4000},
    "vanilla": {0: 2000, 15: 2400, 45: 1200, 100: 800, 470: 800},
}
PI_STAR_SCORES = (1000, 2000, 3000, 3500, 3900, 4000, 5000, 6000, 8000, 15810)  # mean 5221
PI_STAR_DEPTHS = (1, 1, 1, 1, 1, 1, 2, 2, 3, 4)  # six in ten stay on level 1
EXPERT_DEPTHS = (4, 5, 6, 7, 8)


def nethack(
    scores: Ends = SCORES,
    far: Ends = FAR,
    sokoban: Ends = SOKOBAN,
    drift: Mapping[str, float] = DRIFT,
    columns: Mapping[str, tuple[float, ...]] = COLUMNS,
    before: Mapping[str, float] = BEFORE,
    pits_before: float = PITS_BEFORE,
    curves: Mapping[str, Mapping[float, float]] = CURVES,
    pi_star: tuple[tuple[float, ...], tuple[float, ...]] = (PI_STAR_SCORES, PI_STAR_DEPTHS),
    expert: tuple[float, ...] = EXPERT_DEPTHS,
    visited: int = VISITED,
    seeds: int = 5,
    steps: tuple[int, int, int] = STEPS,
) -> dict[str, pd.DataFrame]:
    """The tables that claims read; seeds lie 1 % apart around the values at the last step."""
    rows = [
        *_final(scores, columns, seeds, steps),
        *_far("level_4", "return", far, before, seeds, steps),
        *_far("sokoban", "pits_filled", sokoban, {"vanilla": pits_before}, seeds, steps),
        *_far(
            "level_4", "kl_divergence", {name: (0.0, end) for name, end in drift.items()}, {}, seeds, steps
        ),
        *_pi_star(*pi_star),
    ]
    names = ["method", "seed", "step", "probe", "group", "start", "episode", "measure", "value"]
    tables = {
        "episodes": pd.DataFrame(rows, columns=names),
        "training": training(curves, visited, seeds, steps[2]),
        "expert_recordings": pd.DataFrame(
            {"depth": [depth + (0.1, -0.1)[game // 10 % 2] for game, depth in enumerate([*expert] * 20)]}
        ),
    }
    return {
        name: table.assign(experiment="nethack", domain="nethack", condition="")
        for name, table in tables.items()
    }


def spread_of(seed: int, seeds: int) -> float:
    return 1.0 + 0.01 * (seed - seeds // 2)


def _final(
    scores: Ends, columns: Mapping[str, tuple[float, ...]], seeds: int, steps: tuple[int, int, int]
) -> Iterator[Row]:
    """Games from the start, at the first and the last step; they have no start state."""
    ends = [(method, "score", first, last) for method, (first, last) in scores.items()]
    ends += [
        (method, column, 1.4, value)
        for column, values in columns.items()
        for method, value in zip(METHODS, values, strict=True)
    ]
    for seed, (method, measure, first, last) in product(range(seeds), ends):
        for step, value in ((steps[0], first), (steps[2], last * spread_of(seed, seeds))):
            yield method, seed, step, "final", "whole", NO_START, 0, measure, value
            if measure == "score":
                yield method, seed, step, "level_1", "close", NO_START, 0, "return", value


def _far(
    probe: str, measure: str, ends: Ends, middle: Mapping[str, float], seeds: int, steps: tuple[int, int, int]
) -> Iterator[Row]:
    """Games from Far, at all three steps; each seed has a start state of its own."""
    for seed, (method, (first, last)) in product(range(seeds), ends.items()):
        spread = spread_of(seed, seeds)
        path = (first, middle.get(method, first) * spread, last * spread)
        for step, value in zip(steps, path, strict=True):
            yield method, seed, step, probe, "far", seed, 0, measure, value


def _pi_star(scores: Sequence[float], depths: Sequence[float]) -> Iterator[Row]:
    """200 games of pi* from the start."""
    for repeat, (game, pair) in product(range(20), enumerate(zip(scores, depths, strict=True))):
        for measure, value in zip(("score", "depth"), pair, strict=True):
            yield PI_STAR, 0, 0, "final", "whole", NO_START, repeat * 10 + game, measure, float(value)


def training(
    curves: Mapping[str, Mapping[float, float]], visited: int, seeds: int, last: int
) -> pd.DataFrame:
    """One game for each 5M steps (a hundredth of the budget), and the first visits."""
    rows: list[tuple[object, ...]] = []
    unit, warm_up = last / 500, last * WARM_UP / STEPS[2]

    def games(points: Mapping[float, float]) -> Iterator[tuple[float, float]]:
        for middle in np.arange(2.5, 475, 5):
            yield middle, float(np.interp(middle, [*points], [*points.values()]))

    for method, points in curves.items():
        for seed in range(seeds):
            spread = spread_of(seed, seeds)
            rows.append((method, seed, round(warm_up / 2), "return", 1e6))  # a game of the warm-up
            rows += [(method, seed, step, "learning_rate", 1.0) for step in (round(warm_up), last)]
            rows += [
                (method, seed, round(warm_up + middle * unit), "return", value * spread)
                for middle, value in games(points)
            ]
            for probe in ("level_4", "sokoban"):
                rows.append((method, seed, visited, f"first_visit_{probe}", float(visited)))
    return pd.DataFrame(rows, columns=["method", "seed", "step", "metric", "value"])
