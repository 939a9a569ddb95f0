"""Generated tables that resemble real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from .film_attempts import make_attempts
from .montezuma_tables import make_montezuma
from .nethack_tables import make_nethack

METHODS = ("scratch", "vanilla", "behavioral_cloning", "kickstarting", "ewc", "episodic_memory")
STAGES = ("hammer", "push", "peg-unplug-side", "push-wall")
STEPS = tuple(range(0, 200_001, 20_000))
KEPT = {"scratch": 0.0, "vanilla": 0.05, "behavioral_cloning": 0.95, "ewc": 0.6, "episodic_memory": 0.75}


def success_rate(method: str, group: str, progress: float) -> float:
    """A success rate similar to the paper's curves."""
    learned = 1.0 - np.exp(-4.0 * progress)
    if group == "close":
        return 0.95 * learned
    if method == "scratch":
        return 0.5 * progress**2
    if method == "pi_star":
        return 0.8
    kept = KEPT.get(method, 0.3)
    return float(kept + (1.0 - kept) * np.exp(-25.0 * progress) + (1.0 - kept) * 0.4 * progress**2)


def make_episodes(
    experiment: str = "robotic_sequence",
    methods: Sequence[str] = METHODS,
    stages: Sequence[str] = STAGES,
    far: Sequence[int] = (2, 3),
    seeds: int = 5,
    steps: Sequence[int] = STEPS,
    episodes: int = 10,
    keep: float = 1.0,
) -> pd.DataFrame:
    """Rows of ``episodes.parquet`` with the measures success and log_likelihood, also of pi* itself."""
    generator = np.random.default_rng(len(experiment) + 7 * len(methods))
    rows: list[tuple[object, ...]] = []
    for method in ("pi_star", *methods):
        for seed in range(1 if method == "pi_star" else seeds):
            talent = float(np.clip(generator.normal(1.0, 0.12), 0.5, 1.0))
            for step in [0] if method == "pi_star" else steps:
                progress = step / max(steps)
                rates = []
                for index, stage in enumerate(stages):
                    group = "far" if index in far else "close"
                    rate = success_rate(method, group, progress) * (keep if group == "far" else 1.0)
                    rates.append(min(1.0, rate * (talent if step else 1.0)))
                    probe = f"{index}_{stage}"
                    for episode in range(episodes):
                        success = float(generator.random() < rates[-1])
                        rows.append((method, seed, step, probe, group, episode, episode, "success", success))
                    if group == "far":
                        value = -2.0 - 10.0 * (1.0 - rates[-1]) + generator.normal(0, 0.3)
                        rows.append((method, seed, step, probe, group, -1, -1, "log_likelihood", value))
                for episode in range(episodes):
                    whole = float(generator.random() < np.prod(rates))
                    rows.append((method, seed, step, "whole", "whole", episode, episode, "success", whole))
    names = ["method", "seed", "step", "probe", "group", "start", "episode", "measure", "value"]
    table = pd.DataFrame(rows, columns=names)
    table.insert(0, "condition", "")
    table.insert(0, "experiment", experiment)
    table.insert(0, "domain", "robotic_sequence")
    return table


def make_states(seeds: int = 2, states: int = 150) -> pd.DataFrame:
    """Rows of ``states.parquet``."""
    generator = np.random.default_rng(3)
    angle = generator.uniform(0, 2 * np.pi, states)
    parts = [
        pd.DataFrame(
            {
                "experiment": "robotic_sequence",
                "method": "vanilla",
                "seed": seed,
                "step": step,
                "stage": f"{stage}_{STAGES[stage]}",
                "state": np.arange(states),
                "pc1": np.cos(angle) * (1 + 0.1 * stage) + generator.normal(0, 0.1, states),
                "pc2": np.sin(2 * angle),
                "log_likelihood": -2 - 8 * (1 - np.exp(-step / 3e4)) * (1 + np.cos(angle)) / 2,
            }
        )
        for seed in range(seeds)
        for step in STEPS
        for stage in (2, 3)
    ]
    return pd.concat(parts, ignore_index=True)


def make_representation(seeds: int = 5, layers: int = 4) -> pd.DataFrame:
    """Rows of ``representation.parquet``."""
    generator = np.random.default_rng(4)
    rows = [
        ("robotic_sequence", "vanilla", seed, step, network, layer, f"{stage}_{STAGES[stage]}", float(value))
        for seed in range(seeds)
        for step in STEPS
        for network in ("actor", "critic_1", "critic_2")
        for layer in range(1, layers + 1)
        for stage in (2, 3)
        for value in [
            np.clip(
                1 - 0.2 * layer * (1 - np.exp(-step / 4e4)) + generator.normal(0, 0.01) * (step > 0), 0, 1
            )
        ]
    ]
    names = ["experiment", "method", "seed", "step", "network", "layer", "stage", "cka"]
    return pd.DataFrame(rows, columns=names)


def make_training(episodes: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Rows of ``training.parquet``: first visits to Far, later for later stages."""
    rows = []
    for table in episodes:
        far = table[(table["group"] == "far") & (table["method"] != "pi_star")]
        lines = far[["experiment", "method", "seed", "probe"]].drop_duplicates()
        for experiment, method, seed, probe in lines.itertuples(index=False):
            step = 20_000 * (int(probe[0]) + 1) + 7 * seed
            rows.append((experiment, method, seed, step, f"first_visit_{probe}", float(step)))
    return pd.DataFrame(rows, columns=["experiment", "method", "seed", "step", "metric", "value"])


VARIANTS = {
    "montezuma_coefficient_*": ["montezuma_coefficient_0.1", "montezuma_coefficient_1"],
    "montezuma_room_*": ["montezuma_room_4", "montezuma_room_10", "montezuma_room_14"],
    "montezuma_memory_*": ["montezuma_memory_100", "montezuma_memory_1000"],
    "robotic_sequence_shift_*": [f"robotic_sequence_shift_{c}" for c in ("0.01", "0.1", "1", "10")],
    "robotic_sequence_memory_*": [f"robotic_sequence_memory_{n}" for n in (100, 1000, 10000)],
    "robotic_sequence_width_*_depth_*": [
        f"robotic_sequence_width_{width}_depth_{depth}" for width in (256, 512) for depth in (2, 4)
    ],
    "robotic_sequence_prefix_*": [
        f"robotic_sequence_prefix_{prefix}_{stage}"
        for stage in ("push_wall", "peg_unplug_side")
        for prefix in (1, 2, 4)
    ],
}


def make_tables(experiments: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Every table that a figure may read; patterns match several experiments."""
    if "nethack" in experiments:
        return make_nethack()
    names = [name for pattern in experiments for name in VARIANTS.get(pattern, [pattern])]
    if names[0].startswith("montezuma"):
        return make_montezuma(names)
    parts = []
    for index, name in enumerate(names):
        stages, far = STAGES, (2, 3)
        if "two_stages" in name:
            stages, far = ("drawer-open", "pick-place"), (1,)
        if "_prefix_" in name:
            known = "push-wall" if name.endswith("push_wall") else "peg-unplug-side"
            stages, far = ("window-close", known), (1,)
        parts.append(make_episodes(name, stages=stages, far=far, keep=1.0 - 0.2 * (index % 5)))
    return {
        "episodes": pd.concat(parts, ignore_index=True),
        "states": make_states(),
        "representation": make_representation(),
        "training": make_training(parts),
        "attempts": make_attempts(),
    }


@pytest.fixture(name="make_tables", scope="session")
def make_tables_fixture() -> object:
    """``make_tables``."""
    return make_tables


@pytest.fixture(name="make_episodes", scope="session")
def make_episodes_fixture() -> object:
    """``make_episodes``."""
    return make_episodes
