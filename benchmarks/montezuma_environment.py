"""Speed of MontezumaEnvironment compared with AtariPreprocessing and frame stacking, and of the search.

Prints a markdown table; ``--output`` writes the numbers as JSON. Rounds are interleaved, CPU time is
measured, and both sides take the same random actions (sticky actions are drawn inside each environment).
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import ale_py
import gymnasium
import numpy as np
from gymnasium.wrappers import AtariPreprocessing, FrameStackObservation

from fpc.core.files import write_json
from fpc.domains.montezuma.config import EnvironmentOptions, GoExploreOptions
from fpc.domains.montezuma.environment import MontezumaEnvironment
from fpc.domains.montezuma.search import Search

OPTIONS = EnvironmentOptions(
    frame_skip=4, sticky=0.25, max_steps=4500, screen_size=84, frame_stack=4, room=7, room_max_steps=500
)


def time_steps(step: Callable[[int], tuple[object, ...]], reset: Callable[[], object], count: int) -> float:
    """Steps (of four frames) per CPU second, including resets."""
    actions = np.random.default_rng(0).integers(0, 18, count).tolist()
    reset()
    start = time.process_time()
    for action in actions:
        if step(action)[2]:
            reset()
    return count / (time.process_time() - start)


def time_search(steps: int) -> float:
    """Steps (of four frames) per CPU second of one stream of the search."""
    search = Search(GoExploreOptions(steps=steps, burst=100, repeat=0.95), 0, 0, steps)
    start = time.process_time()
    while search.steps < search.total:
        search._burst()
    return search.steps / (time.process_time() - start)


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=3000, help="steps per round and side")
    parser.add_argument("--search-steps", type=int, default=60_000)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    gymnasium.register_envs(ale_py)
    game = gymnasium.make("ALE/MontezumaRevenge-v5", frameskip=1, repeat_action_probability=0.25)
    theirs = FrameStackObservation(AtariPreprocessing(game, noop_max=0, frame_skip=4), 4)
    ours = MontezumaEnvironment(OPTIONS)
    found: dict[str, list[float]] = {"ours": [], "gymnasium": []}
    for number in range(arguments.rounds):
        sides = [("ours", ours), ("gymnasium", theirs)]
        for name, environment in sides[:: -1 if number % 2 else 1]:
            found[name].append(time_steps(environment.step, environment.reset, arguments.steps))
    medians = {name: statistics.median(values) for name, values in found.items()}
    ratio = statistics.median(a / b for a, b in zip(found["ours"], found["gymnasium"], strict=True))
    search = time_search(arguments.search_steps)
    print("| | steps/s of one core |")
    print("|---|---|")
    print(f"| MontezumaEnvironment | {medians['ours']:.0f} |")
    print(f"| AtariPreprocessing, FrameStackObservation | {medians['gymnasium']:.0f} (ratio {ratio:.2f}) |")
    print(f"| search | {search:.0f} |")
    if arguments.output:
        machine = {"machine": platform.machine(), "python": platform.python_version()}
        write_json(arguments.output, {**machine, **medians, "ratio": ratio, "search": search})


if __name__ == "__main__":
    main()
