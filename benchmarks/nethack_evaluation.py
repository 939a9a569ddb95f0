"""Speed of evaluation games in one and several processes, and a check that the games are identical.

Prints a markdown table; ``--output`` writes the numbers as JSON. The policy is an untrained network that
mostly moves. Wall-clock time is measured: run it on an otherwise idle machine. Process start-up is measured
separately, because the same processes play all milestones of a run.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from pathlib import Path

import torch

from fpc.core.files import write_json, write_tensors
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import Request, Rollouts
from fpc.domains.nethack.rollout import EpisodeRecord, new_episodes
from fpc.workflow.loader import load

MOVES, PREFERENCE = 16, 6.0


def write_policy(path: Path, experiment: NetHackExperiment) -> None:
    """Write an untrained network that prefers moves, so that games last longer."""
    network = NetHackNetwork.seeded(experiment.network, 0)
    with torch.no_grad():
        network.policy.bias[:MOVES] += PREFERENCE
    write_tensors(path, network.state_dict())


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="laptop", help="scale whose network and batch size are used")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--episodes", type=int, default=128)
    parser.add_argument("--steps", type=int, default=300, help="maximum steps per episode")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    experiment = load(arguments.scale).experiments["nethack"]
    assert isinstance(experiment, NetHackExperiment)
    task = experiment.environment.model_copy(update={"max_steps": arguments.steps})
    request = {"level_1": Request(new_episodes(0, "level_1", arguments.episodes), task)}
    warm_up = {"level_1": Request(request["level_1"].episodes, task.model_copy(update={"max_steps": 2}))}
    seconds: dict[int, list[float]] = {1: [], arguments.processes: []}
    starting: dict[int, float] = {}
    records: dict[int, list[EpisodeRecord]] = {}
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "step_0.safetensors"
        write_policy(policy, experiment)
        for processes in seconds:
            begin = time.perf_counter()
            with Rollouts(experiment.network, experiment.evaluate.batch, processes) as rollouts:
                rollouts.play(policy, warm_up)
                starting[processes] = time.perf_counter() - begin
                for _ in range(arguments.rounds):
                    begin = time.perf_counter()
                    records[processes] = rollouts.play(policy, request)["level_1"]
                    seconds[processes].append(time.perf_counter() - begin)
    same = records[1] == records[arguments.processes]
    steps = sum(record.steps for record in records[1])
    medians = {processes: statistics.median(values) for processes, values in seconds.items()}
    speed_up = medians[1] / medians[arguments.processes]
    print("| processes | seconds | environment steps/s | start-up seconds |")
    print("|---|---|---|---|")
    for processes, median in medians.items():
        print(f"| {processes} | {median:.2f} | {steps / median:.0f} | {starting[processes]:.1f} |")
    print(f"\nspeed-up {speed_up:.2f}; identical games: {same}")
    if arguments.output is not None:
        write_json(
            arguments.output,
            {
                "machine": platform.processor() or platform.machine(),
                "scale": arguments.scale,
                "batch": experiment.evaluate.batch,
                "episodes": arguments.episodes,
                "steps": steps,
                "seconds": {str(processes): values for processes, values in seconds.items()},
                "start_up_seconds": {str(processes): value for processes, value in starting.items()},
                "speed_up": speed_up,
                "same_games": same,
            },
        )


if __name__ == "__main__":
    main()
