"""Generated tables of NetHack with the shape and the course of real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

METHODS = ("scratch", "vanilla", "behavioral_cloning", "kickstarting", "ewc")
METRICS = ("score", "experience_level", "eating", "turns", "staircase", "scout", "depth", "gold")
STEPS = (0, 100_000, 200_000, 300_000, 400_000)
Rows = list[tuple[object, ...]]
EPISODES = ["seed", "step", "probe", "group", "start", "episode", "measure", "value"]
START = 1000.0  # pi*'s score
END = {"scratch": 250.0, "vanilla": 200.0, "behavioral_cloning": 1500.0, "kickstarting": 2000.0, "ewc": 800.0}


def height(method: str, progress: float) -> float:
    """A score such as the paper's curves show."""
    start = 0.0 if method == "scratch" else START
    return float(END[method] + (start - END[method]) * np.exp(-6.0 * progress))


def game(score: float, generator: np.random.Generator) -> dict[str, float]:
    """The eight metrics of one game."""
    value = score * generator.lognormal(0.0, 0.5)
    return {
        "score": value,
        "experience_level": 1.0 + np.log2(1.0 + value / 50.0),
        "eating": 2.0 * value,
        "turns": 500.0 + 3.0 * value,
        "staircase": 1.0 + value // 200,
        "scout": 300.0 + value / 2,
        "depth": 1.0 + generator.poisson(value / 1200.0),
        "gold": value / 10.0,
    }


def way(depth: int, turns: float, generator: np.random.Generator) -> list[tuple[int, int]]:
    """Turns at which a game first came to each level."""
    middle = np.sort(generator.integers(2, max(int(turns), 3), depth - 1))
    return [(1, 1), *((int(turn), level + 2) for level, turn in enumerate(middle))]


def make_nethack(
    methods: Sequence[str] = METHODS,
    seeds: int = 5,
    steps: Sequence[int] = STEPS,
    games: int = 30,
    sokoban: bool = True,
    pi_star_games: int = 60,
) -> dict[str, pd.DataFrame]:
    """episodes, training, dungeon, expert_games and expert_dungeon of the experiment nethack.

    Step 0 of the methods that start from pi* is pi*'s own measurement.
    """
    training: list[tuple[object, ...]] = []
    own = measured(("pi_star", 0, 0), START, np.random.default_rng(7), sokoban, pi_star_games, pi_star_games)
    episodes, dungeon = list(own[0]), list(own[1])
    for number, method in enumerate(methods):
        for seed in range(seeds):
            generator = np.random.default_rng([number, seed])
            talent = generator.uniform(0.85, 1.15)
            for step in steps:
                score = height(method, step / max(steps[-1], 1)) * (talent if step else 1.0)
                key = (method, seed, step)
                if step or method == "scratch" or not pi_star_games:
                    made_games = games if step in (steps[0], steps[-1]) else 0
                    rows, changes = measured(key, score, generator, sokoban, 6, made_games)
                else:
                    rows, changes = ([(*key, *row[3:]) for row in part] for part in own)
                episodes += rows
                dungeon += changes
            for step in generator.integers(1, steps[-1] + 1, 400) if steps[-1] else []:
                made = game(height(method, step / steps[-1]) * talent, generator)
                pairs = [*made.items(), ("return", made["score"]), ("length", made["turns"])]
                training += [(method, int(step), metric, value, seed) for metric, value in pairs]
    generator = np.random.default_rng(9)
    played = [game(4000.0, generator) for _ in range(40)]
    expert = pd.DataFrame(played).assign(episode=range(40), method="expert", seed=0)
    ways = [
        ("expert", 0, episode, turn, depth)
        for episode, made in enumerate(played)
        for turn, depth in way(int(made["depth"]), made["turns"], generator)
    ]
    tables = {
        "episodes": pd.DataFrame(episodes, columns=["method", *EPISODES]),
        "training": pd.DataFrame(training, columns=["method", "step", "metric", "value", "seed"]),
        "dungeon": pd.DataFrame(dungeon, columns=["method", "seed", "step", "episode", "turn", "depth"]),
        "expert_games": expert,
        "expert_dungeon": pd.DataFrame(ways, columns=["method", "seed", "episode", "turn", "depth"]),
    }
    return {name: table.assign(domain="nethack", experiment="nethack") for name, table in tables.items()}


def measured(
    key: tuple[str, int, int],
    score: float,
    generator: np.random.Generator,
    sokoban: bool,
    episodes: int,
    games: int,
) -> tuple[Rows, Rows]:
    """Rows of ``episodes`` of the probes that every milestone has; of `final` games, also ``dungeon``."""
    method, seed, step = key
    rows: Rows = []
    for episode in range(episodes):
        made = game(score, generator)
        close, far = (*key, "level_1", "close", -1, episode), (*key, "level_2", "far", episode, episode)
        rows += [(*close, *item) for item in made.items()]
        rows += [(*close, "return", made["score"]), (*far, "return", made["score"] / 4)]
        if sokoban:
            there = (*key, "sokoban", "far", episode, episode)
            filled = float(generator.poisson(score / 1000))
            rows += [(*there, "return", 10.0), (*there, "pits_filled", filled)]
    if method != "scratch" and episodes:
        drift = abs(END.get(method, START) - START) / START * (step > 0) + 0.01 * seed * (step > 0)
        rows.append((*key, "level_2", "far", -1, -1, "kl_divergence", drift))
        rows.append((*key, "level_1", "close", -1, -1, "kl_divergence", drift / 2))
    dungeon: Rows = []
    for episode in range(games):
        made = game(score, generator)
        rows += [(*key, "final", "whole", -1, episode, *item) for item in made.items()]
        changes = way(int(made["depth"]), made["turns"], generator)
        dungeon += [(*key, episode, turn, depth) for turn, depth in changes]
    return rows, dungeon
