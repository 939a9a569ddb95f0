"""Speed of a milestone's games in one and several processes, how full the network's batches are, and a check
that the games are identical.

Prints markdown tables; ``--output`` writes the numbers as JSON. The policy is an untrained network that
mostly moves; its games end at very different times, as trained policies' do. Wall-clock time is measured:
run it on an otherwise idle machine. The numbers of network calls and of games in a call are exact. Process
start-up is measured separately, because the same processes play all milestones of a run.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook

from fpc.core.files import write_json, write_tensors
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.environment import ACTION_COUNT
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import Rollouts
from fpc.domains.nethack.rollout import EpisodeRecord, Planned, new_episodes
from fpc.workflow.loader import load

MOVES, PREFERENCE = 16, 6.0


def write_policy(path: Path, experiment: NetHackExperiment) -> None:
    """Write an untrained network that prefers moves, so that games last longer."""
    network = NetHackNetwork.seeded(experiment.network, 0)
    with torch.no_grad():
        network.policy.bias[:MOVES] += PREFERENCE
    write_tensors(path, network.state_dict())


@contextmanager
def calls_of_network() -> Iterator[list[int]]:
    """A list that receives the number of rows of each call of a network in this process."""
    rows: list[int] = []

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(module, nn.Linear) and module.out_features == ACTION_COUNT:
            rows.append(len(inputs[0]))

    handle = register_module_forward_hook(count)
    yield rows
    handle.remove()


def play(rollouts: Rollouts, games: list[tuple[Path, Planned]]) -> list[EpisodeRecord]:
    """The records, in the order of ``games``."""
    found = dict(rollouts.play(games))
    return [found[number] for number in range(len(games))]


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", default="laptop", help="scale whose network and batch size are used")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--policies", type=int, default=2, help="milestones")
    parser.add_argument("--probes", type=int, default=3)
    parser.add_argument("--episodes", type=int, default=20, help="of each probe")
    parser.add_argument("--steps", type=int, default=1500, help="maximum steps per episode")
    parser.add_argument("--no-progress", type=int, default=20, help="steps without a turn that end a game")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    experiment = load(arguments.scale).experiments["nethack"]
    assert isinstance(experiment, NetHackExperiment)
    limits = {"max_steps": arguments.steps, "no_progress_limit": arguments.no_progress}
    task = experiment.environment.model_copy(update=limits)
    short = task.model_copy(update={"max_steps": 2})
    episodes = [
        episode
        for probe in range(arguments.probes)
        for episode in new_episodes(0, f"probe_{probe}", arguments.episodes)
    ]
    seconds: dict[int, list[float]] = {1: [], arguments.processes: []}
    starting: dict[int, float] = {}
    records: dict[int, list[EpisodeRecord]] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"step_{number}.safetensors" for number in range(arguments.policies)]
        for path in paths:
            write_policy(path, experiment)
        games = [(path, Planned(episode, task)) for path in paths for episode in episodes]
        warm_up = [(path, Planned(episode, short)) for path in paths for episode in episodes]
        for processes in seconds:
            begin = time.perf_counter()
            with Rollouts(experiment.network, experiment.evaluate.batch, processes) as rollouts:
                play(rollouts, warm_up)
                starting[processes] = time.perf_counter() - begin
                for _ in range(arguments.rounds):
                    begin = time.perf_counter()
                    records[processes] = play(rollouts, games)
                    seconds[processes].append(time.perf_counter() - begin)
        with (
            Rollouts(experiment.network, experiment.evaluate.batch, 1) as rollouts,
            calls_of_network() as rows,
        ):
            play(rollouts, games)
    same = records[1] == records[arguments.processes]
    steps = sum(record.steps for record in records[1])
    medians = {processes: statistics.median(values) for processes, values in seconds.items()}
    speed_up = medians[1] / medians[arguments.processes]
    print("| processes | seconds | environment steps/s | start-up seconds |")
    print("|---|---|---|---|")
    for processes, median in medians.items():
        print(f"| {processes} | {median:.2f} | {steps / median:.0f} | {starting[processes]:.1f} |")
    print(f"\nspeed-up {speed_up:.2f}; identical games: {same}")
    print(
        f"{len(games)} games, {steps} steps, {len(rows)} network calls in one process; "
        f"{steps / len(rows):.1f} games in a call, {sum(rows) / len(rows):.1f} rows with padding"
    )
    if arguments.output is not None:
        write_json(
            arguments.output,
            {
                "machine": platform.processor() or platform.machine(),
                "scale": arguments.scale,
                "batch": experiment.evaluate.batch,
                "games": len(games),
                "steps": steps,
                "network_calls": len(rows),
                "rows": sum(rows),
                "seconds": {str(processes): values for processes, values in seconds.items()},
                "start_up_seconds": {str(processes): value for processes, value in starting.items()},
                "speed_up": speed_up,
                "same_games": same,
            },
        )


if __name__ == "__main__":
    main()
