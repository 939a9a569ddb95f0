"""Hand-made tables of NetHack, on which every claim's outcome is known."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

STEPS = (0, 50_000_000, 500_000_000)
SCORES = {
    "scratch": (0.0, 776.0),
    "vanilla": (5000.0, 647.0),
    "behavioral_cloning": (5000.0, 7610.0),
    "kickstarting": (5000.0, 10588.0),
    "ewc": (5000.0, 3976.0),
}
FAR = {name: (400.0 if start else 0.0, end / 10) for name, (start, end) in SCORES.items()}
DRIFT = {"vanilla": 1.0, "behavioral_cloning": 0.2, "kickstarting": 0.3, "ewc": 0.5}


def nethack(
    scores: Mapping[str, tuple[float, float]] = SCORES,
    far: Mapping[str, tuple[float, float]] = FAR,
    drift: Mapping[str, float] = DRIFT,
    early: float = 6800.0,
    seeds: int = 5,
    steps: tuple[int, int, int] = STEPS,
) -> pd.DataFrame:
    """Episodes: method -> score at the first and last step; seeds lie 1 % apart around the last."""
    rows: list[tuple[object, ...]] = []

    def add(method: str, seed: int, step: int, probe: str, measure: str, value: float) -> None:
        group = {"final": "whole", "level_1": "close"}.get(probe, "far")
        rows.append((method, seed, step, probe, group, 0, measure, value))

    for seed in range(seeds):
        spread = 1.0 + 0.01 * (seed - seeds // 2)
        for method, (start, end) in scores.items():
            for step, value in ((steps[0], start), (steps[2], end * spread)):
                add(method, seed, step, "final", "score", value)
                add(method, seed, step, "final", "depth", 1.0 + value / 5000.0)
            for step, value in zip(steps, (start, early, end * spread), strict=True):
                add(method, seed, step, "level_1", "return", value)
        for method, (start, end) in far.items():
            for step, value in ((steps[0], start), (steps[2], end * spread)):
                add(method, seed, step, "level_4", "return", value)
                add(method, seed, step, "sokoban", "return", 1e6)
        for method, value in drift.items():
            add(method, seed, steps[0], "level_4", "kl_divergence", 0.0)
            add(method, seed, steps[2], "level_4", "kl_divergence", value * spread)
    names = ["method", "seed", "step", "probe", "group", "episode", "measure", "value"]
    return pd.DataFrame(rows, columns=names).assign(experiment="nethack", domain="nethack")
