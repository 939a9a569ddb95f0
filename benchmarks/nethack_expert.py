"""How far our symbolic NetHack player gets compared with a random policy, and how fast it plays.

Run ``python benchmarks/nethack_expert.py [--output benchmarks/results/nethack_expert.json]``. Human
monks with seeds 0, 1, ...; both sides play the same games with the same maximum number of steps. Speed is in
steps per CPU second on one core, including the game itself, so other processes disturb it little.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from fpc.core.files import write_json
from fpc.domains.nethack.action_space import ACTION_COUNT
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.expert import GameRecord, Player, play_game
from fpc.domains.nethack.metrics import METRICS

ENVIRONMENT = EnvironmentOptions(character="mon-hum-neu-mal", max_steps=100_000, no_progress_limit=150)


def random_game(environment: NetHackEnvironment, seed: int, max_steps: int) -> dict[str, float]:
    """Metrics of uniformly random actions in the game with ``seed``."""
    actions = np.random.default_rng(seed).integers(ACTION_COUNT, size=max_steps)
    environment.reset(seed=seed)
    for action in actions.tolist():
        _, _, terminated, truncated, _ = environment.step(action)
        if terminated or truncated:
            break
    return environment.metrics.as_dict()


def summary(games: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Mean and median of each metric."""
    values = {name: [game[name] for game in games] for name in METRICS}
    return {
        name: {"mean": statistics.fmean(found), "median": statistics.median(found)}
        for name, found in values.items()
    }


def measure(games: int, random_games: int, max_steps: int) -> dict[str, Any]:
    """Play the games of the player and of the random policy, and summarise them."""
    started = time.process_time()
    records: list[GameRecord] = [play_game(ENVIRONMENT, Player(), seed, max_steps) for seed in range(games)]
    seconds = time.process_time() - started
    steps = [record.steps for record in records]
    environment = NetHackEnvironment(ENVIRONMENT)
    random_metrics = [random_game(environment, seed, max_steps) for seed in range(random_games)]
    environment.close()
    return {
        "machine": platform.processor() or platform.machine(),
        "games": games,
        "max_steps": max_steps,
        "player": summary([record.metrics for record in records]),
        "endings": dict(Counter(record.ending for record in records)),
        "steps": {"mean": statistics.fmean(steps), "median": statistics.median(steps)},
        "steps_per_second": sum(steps) / seconds,
        "reached": {
            str(depth): sum(depth in record.level_entries for record in records) for depth in range(2, 13)
        },
        "random_games": random_games,
        "random": summary(random_metrics),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--games", type=int, default=200)
    parser.add_argument("--random-games", type=int, default=50)
    parser.add_argument("--max-steps", type=int, default=2500)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    found = measure(arguments.games, arguments.random_games, arguments.max_steps)
    print("| metric | player, mean | median | random, mean | median |\n|---|---|---|---|---|")
    for name in METRICS:
        player, uniform = found["player"][name], found["random"][name]
        numbers = (player["mean"], player["median"], uniform["mean"], uniform["median"])
        print(f"| {name} | " + " | ".join(f"{number:.1f}" for number in numbers) + " |")
    print(f"\nsteps per game: mean {found['steps']['mean']:.0f}, median {found['steps']['median']:.0f}")
    print(f"steps per second: {found['steps_per_second']:.0f}; endings: {found['endings']}")
    print(f"games that reached a depth: {found['reached']}")
    if arguments.output is not None:
        write_json(arguments.output, found)


if __name__ == "__main__":
    main()
