"""Hand-made tables with known outcomes for every claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pytest

from .montezuma_tables import montezuma
from .nethack_tables import nethack
from .toy_tables import toys

STAGES = ("0_hammer", "1_push", "2_peg-unplug-side", "3_push-wall")
STEPS = (0, 100_000, 500_000)
Heights = Mapping[str, Sequence[float]]


def spread(value: float, seed: int) -> float:
    """Slightly different seeds, within [0, 1]."""
    return float(np.clip(value + 0.02 * (seed - 2), 0.0, 1.0))


def episodes_of(
    far: Heights, whole: Heights, likelihood: Heights | None = None, seeds: int = 5
) -> pd.DataFrame:
    """Episodes of RoboticSequence: method -> success at STEPS."""
    rows: list[tuple[object, ...]] = []
    for seed in range(seeds):
        for index, step in enumerate(STEPS):
            for method, heights in far.items():
                for probe in STAGES[2:]:
                    rows.append(
                        (method, seed, step, probe, "far", 0, "success", spread(heights[index], seed))
                    )
                for probe in STAGES[:2]:
                    rows.append((method, seed, step, probe, "close", 0, "success", 1.0))
            for method, heights in whole.items():
                rows.append(
                    (method, seed, step, "whole", "whole", 0, "success", spread(heights[index], seed))
                )
            for method, heights in (likelihood or {}).items():
                for probe in STAGES[2:]:
                    rows.append((method, seed, step, probe, "far", -1, "log_likelihood", heights[index]))
    names = ["method", "seed", "step", "probe", "group", "episode", "measure", "value"]
    return pd.DataFrame(rows, columns=names).assign(experiment="robotic_sequence", condition="")


def representation_of(layers: Sequence[float], seeds: int = 5) -> pd.DataFrame:
    """CKA per layer at the last step; 1 before."""
    rows = [
        ("robotic_sequence", "vanilla", seed, step, "actor", layer + 1, STAGES[3], value if step else 1.0)
        for seed in range(seeds)
        for step in STEPS
        for layer, value in enumerate(layers)
    ]
    names = ["experiment", "method", "seed", "step", "network", "layer", "stage", "cka"]
    return pd.DataFrame(rows, columns=names)


FAR = {
    "scratch": (0.0, 0.0, 0.1),
    "vanilla": (1.0, 0.0, 0.7),
    "behavioral_cloning": (1.0, 0.95, 0.95),
    "kickstarting": (1.0, 0.1, 0.1),
    "ewc": (1.0, 0.5, 0.5),
    "episodic_memory": (1.0, 0.7, 0.7),
}
WHOLE = {
    "scratch": (0.0, 0.0, 0.1),
    "vanilla": (0.0, 0.0, 0.1),
    "behavioral_cloning": (0.0, 0.5, 0.8),
    "kickstarting": (0.0, 0.0, 0.1),
    "ewc": (0.0, 0.2, 0.4),
    "episodic_memory": (0.0, 0.3, 0.6),
}
LIKELIHOOD = {"vanilla": (-2.0, -20.0, -15.0)}


@pytest.fixture
def paper_like() -> dict[str, dict[str, pd.DataFrame]]:
    """Tables that agree with the paper."""
    return {
        "robotic_sequence": {
            "episodes": episodes_of(FAR, WHOLE, LIKELIHOOD),
            "representation": representation_of((0.9, 0.6, 0.2)),
        },
        "nethack": nethack(),
        "montezuma": {"episodes": montezuma()},
        **toys(),
    }
