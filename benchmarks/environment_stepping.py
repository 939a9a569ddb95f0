"""Speed of RoboticSequence compared with bare Meta-World: interleaved rounds in one process, medians.

Prints a markdown table; ``--output`` writes the numbers as JSON. Both sides take the same random actions from
the same start states, so the simulator does the same work. CPU time is measured, which other processes
disturb little.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from fpc.domains.robotic_sequence.config import EnvironmentOptions
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.stage import Stage

STAGES = ("hammer", "push", "peg-unplug-side", "push-wall")


def time_steps(step: Callable[[np.ndarray], object], actions: np.ndarray) -> float:
    """Steps per CPU second."""
    start = time.process_time()
    for action in actions:
        step(action)
    return len(actions) / (time.process_time() - start)


def time_resets(reset: Callable[[], object], count: int) -> float:
    """Resets per CPU second."""
    start = time.process_time()
    for _ in range(count):
        reset()
    return count / (time.process_time() - start)


def measure(name: str, rounds: int, steps: int) -> dict[str, float | str]:
    """Median steps and resets per CPU second of both."""
    options = EnvironmentOptions(
        stages=[name], pretrained_stages=(0,), max_steps=steps + 1, success_factor=1.5, reward_scale=1.0
    )
    ours, bare = RoboticSequence(options), Stage(name)
    found: dict[str, list[float]] = {key: [] for key in ("ours", "bare", "ours_resets", "bare_resets")}
    generator = np.random.default_rng(0)
    for number in range(rounds):
        actions = generator.uniform(-1, 1, (steps, 4)).astype(np.float32)
        ours.reset(seed=number)
        ours_step, bare_step = ours.step, bare.simulator.step
        bare.reset(int(np.random.Generator(np.random.PCG64(number)).integers(2**62)))
        sides = [("ours", ours_step), ("bare", bare_step)]
        for key, step in sides if number % 2 else reversed(sides):
            found[key].append(time_steps(step, actions))
        found["ours_resets"].append(time_resets(partial(ours.reset, seed=number), 3))
        found["bare_resets"].append(time_resets(bare.simulator.reset, 3))
    medians = {key: statistics.median(values) for key, values in found.items()}
    return {"stage": name, **medians, "ratio": medians["ours"] / medians["bare"]}


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=150, help="steps per round and side")
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    rows = [measure(name, arguments.rounds, arguments.steps) for name in STAGES]
    print("| stage | RoboticSequence steps/s | Meta-World steps/s | ratio | resets/s | Meta-World resets/s |")
    print("|---|---|---|---|---|---|")
    for row in rows:
        numbers = f"{row['ours']:.0f} | {row['bare']:.0f} | {row['ratio']:.2f}"
        print(f"| {row['stage']} | {numbers} | {row['ours_resets']:.0f} | {row['bare_resets']:.0f} |")
    if arguments.output is not None:
        result = {
            "machine": platform.processor() or platform.machine(),
            "rounds": arguments.rounds,
            "rows": rows,
        }
        arguments.output.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
