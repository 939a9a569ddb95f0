"""Generated tables of Montezuma's Revenge, resembling real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tests.domains.montezuma.known_states import start

METHODS = ("scratch", "vanilla", "behavioral_cloning", "kickstarting", "ewc")
STEPS = (0, 20_000, 40_000, 60_000)
KEPT = {
    "scratch": 0.1,
    "vanilla": 0.3,
    "behavioral_cloning": 0.9,
    "kickstarting": 0.4,
    "ewc": 0.8,
    "pi_star": 1.0,
}
COLUMNS = ["start", "episode", "measure", "value"]
Tables = dict[str, pd.DataFrame]


def success(method: str, progress: float) -> float:
    """A success rate similar to the paper's curves."""
    start = 0.1 if method == "scratch" else 0.95
    return float(KEPT[method] + (start - KEPT[method]) * np.exp(-6.0 * progress))


def make_montezuma(experiments: Sequence[str], seeds: int = 5, methods: Sequence[str] = METHODS) -> Tables:
    """The tables episodes, training, attempts and visits of some experiments."""
    episodes: list[tuple[object, ...]] = []
    training: list[tuple[object, ...]] = []
    for index, experiment in enumerate(experiments):
        own = _probes((experiment, "pi_star", 0), np.random.default_rng([index, 99]), (0,))
        episodes += own
        for number, method in enumerate(methods):
            for seed in range(seeds):
                key = (experiment, method, seed)
                generator = np.random.default_rng([index, number, seed])
                probes = _probes(key, generator)
                if method != "scratch":
                    probes = [(*key, *row[3:]) for row in own] + [row for row in probes if row[3] != 0]
                episodes += probes
                training += _games(key, index, np.random.default_rng([index, number, seed, 1]))
    visits = [("expert", 0, room, x, 4 + room, 3 * x + room) for room in (1, 2, 7) for x in range(12)]
    return {
        "episodes": pd.DataFrame(
            episodes,
            columns=["experiment", "method", "seed", "step", "probe", "group", *COLUMNS],
        ).assign(domain="montezuma"),
        "training": pd.DataFrame(
            training, columns=["experiment", "method", "seed", "step", "metric", "value"]
        ).assign(domain="montezuma"),
        "attempts": _attempts(experiments, seeds, methods),
        "visits": pd.DataFrame(visits, columns=["method", "seed", "room", "x", "y", "visits"]).assign(
            domain="montezuma", experiment=experiments[0]
        ),
    }


def _probes(
    key: tuple[str, str, int], generator: np.random.Generator, steps: Sequence[int] = STEPS
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for step in steps:
        rate = success(key[1], step / STEPS[-1])
        for episode in range(20):
            place = ("far", episode, episode)
            rows.append((*key, step, "room_7", *place, "success", float(generator.random() < rate)))
            if step == 0:
                random_success = float(generator.random() < 0.1)
                rows.append((*key, step, "random", *place, "success", random_success))
        for episode in range(8):
            points = 100.0 * generator.poisson(2.0)
            rows.append((*key, step, "start", "close", -1, episode, "return", points))
    return rows


def _games(key: tuple[str, str, int], index: int, generator: np.random.Generator) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for step in generator.integers(1, STEPS[-1] + 1, 200):
        reach = generator.poisson(3.0 * step / STEPS[-1] + index)
        rows.append((*key, int(step), "score", 100.0 * reach))
        rows += [(*key, int(step), f"room_{room}", 50.0) for room in range(1, 2 + min(reach, 6))]
    return rows


def _attempts(experiments: Sequence[str], seeds: int, methods: Sequence[str]) -> pd.DataFrame:
    """Real start states, with attempts that succeed or fail; the last one is shorter than the others."""
    rows = []
    for method in methods:
        for seed in range(seeds):
            for step in (STEPS[0], STEPS[-1]):
                for episode in range(5):
                    state = start(7, episode % 4)
                    key = ("montezuma", experiments[0], method, seed, step, "room_7", episode)
                    actions = bytes([3] * (12 if episode == 3 else 25))
                    rows.append((*key, episode != 3, bytes(state.actions), actions, state.digest))
    names = ["domain", "experiment", "method", "seed", "step", "probe", "episode"]
    return pd.DataFrame(rows, columns=[*names, "success", "start", "actions", "digest"])
