"""Speed of NetHackEnvironment compared with bare NLE on the same observations: interleaved rounds, medians.

Prints a markdown table; ``--output`` writes the numbers as JSON. Both sides play the same games with the same
random moves, so NetHack does the same work. CPU time is measured, which other processes disturb little.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fpc.core.files import write_json
from fpc.domains.nethack.action_space import action_of
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.environment import OBSERVATION_KEYS, NetHackEnvironment, begin_game, make_game

OPTIONS = EnvironmentOptions(character="mon-hum-neu-mal", max_steps=10**9, no_progress_limit=10**9)
Side = tuple[Callable[[int], object], Callable[[int], tuple[object, ...]]]


def time_steps(side: Side, seed: int, actions: list[int]) -> float:
    """Steps per CPU second, excluding resets."""
    reset, step = side
    seconds, begin = 0.0, 0
    while begin < len(actions):
        reset(seed)
        start = time.process_time()
        for action in actions[begin:]:
            begin += 1
            if step(action)[2]:  # died, at the same step on both sides
                break
        seconds += time.process_time() - start
    return len(actions) / seconds


def time_resets(side: Side, count: int) -> float:
    """Resets per CPU second."""
    start = time.process_time()
    for seed in range(count):
        side[0](seed)
    return count / (time.process_time() - start)


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=4000, help="steps per round and side")
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    ours, bare = NetHackEnvironment(OPTIONS), make_game(OPTIONS, observation_keys=OBSERVATION_KEYS)

    def reset_bare(seed: int) -> object:
        return begin_game(bare, seed)

    sides: dict[str, Side] = {
        "ours": (lambda seed: ours.reset(seed=seed), ours.step),
        "bare": (reset_bare, bare.step),
    }
    found: dict[str, list[float]] = {key: [] for key in ("ours", "bare", "ours_resets", "bare_resets")}
    escape = action_of(27)  # before each move, to dismiss any open prompt
    for number in range(arguments.rounds):
        moves = np.random.default_rng(number).integers(0, 16, arguments.steps // 2).tolist()
        actions = [action for move in moves for action in (escape, move)]
        for key in sorted(sides, reverse=bool(number % 2)):
            found[key].append(time_steps(sides[key], number, actions))
            found[f"{key}_resets"].append(time_resets(sides[key], 20))
    medians = {key: statistics.median(values) for key, values in found.items()}
    ratio = statistics.median(a / b for a, b in zip(found["ours"], found["bare"], strict=True))
    print("| | NetHackEnvironment | bare NLE | ratio |")
    print("|---|---|---|---|")
    print(f"| steps/s | {medians['ours']:.0f} | {medians['bare']:.0f} | {ratio:.2f} |")
    resets = medians["ours_resets"], medians["bare_resets"]
    print(f"| resets/s | {resets[0]:.0f} | {resets[1]:.0f} | {resets[0] / resets[1]:.2f} |")
    if arguments.output is not None:
        write_json(
            arguments.output,
            {
                "machine": platform.processor() or platform.machine(),
                "rounds": arguments.rounds,
                "steps": arguments.steps,
                **medians,
                "ratio": ratio,
            },
        )


if __name__ == "__main__":
    main()
