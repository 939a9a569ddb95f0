"""Gradient steps per second of our Soft Actor-Critic: against stable-baselines3, and with retention.

Run ``python benchmarks/sac_updates.py [--output benchmarks/results/sac_updates.json]``. All sides run
in this process on one thread with denormals flushed, on equal random transitions of the size of
RoboticSequence's. Repeats are interleaved, so that a busy machine slows all alike, and time is the
process's CPU time, so that waiting for a processor does not count; medians are reported.

"same networks" has what stable-baselines3 has: a 4 x 256 actor and two 4 x 256 critics. The others
have the paper's networks, with LayerNorm and a head for each of four stages besides.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.logger import Logger

from fpc.core.files import write_json
from fpc.core.processor import prepare_processor
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.replay_buffer import ReplayBuffer
from fpc.learners.sac.update import Updater
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import RetentionContext
from fpc.retention.registry import load_method

STAGES, OBSERVATIONS, ACTIONS, BATCH, TRANSITIONS = 4, 43, 4, 128, 10_000
UPDATES_AT_ONCE = 5  # short turns, so that all meet the same weather
PAPER = SACOptions()
PLAIN = SACOptions(layer_norm=False, leaky_relu_slope=0.01)
RETENTION: dict[str, dict[str, float | int]] = {
    "behavioral_cloning": {"coefficient": 1.0, "batch_size": BATCH},
    "ewc": {"coefficient": 100.0, "fisher_samples": 256, "fisher_floor": 1e-5},
    "kickstarting": {"coefficient": 1.0},
}
Runner = Callable[[int], object]


class RandomEnvironment(gymnasium.Env[np.ndarray, np.ndarray]):
    """Only its spaces are used: nothing is stepped here."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATIONS,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (ACTIONS,), np.float32)


def transitions() -> list[tuple[Any, ...]]:
    """Random observations (ending in a one-hot), actions, rewards, next observations, terminals."""
    chance = np.random.default_rng(0)
    observations = chance.standard_normal((TRANSITIONS + 1, OBSERVATIONS)).astype(np.float32)
    stages = np.arange(TRANSITIONS + 1) * STAGES // (TRANSITIONS + 1)
    observations[:, -STAGES:] = np.eye(STAGES, dtype=np.float32)[stages]
    actions = chance.uniform(-1, 1, (TRANSITIONS, ACTIONS)).astype(np.float32)
    rewards = chance.standard_normal(TRANSITIONS).astype(np.float32)
    terminals = chance.random(TRANSITIONS) < 0.01
    return list(zip(observations[:-1], actions, rewards, observations[1:], terminals, strict=True))


def theirs() -> Runner:
    """A function that makes so many updates with stable-baselines3."""
    learner = stable_baselines3.SAC(
        "MlpPolicy",
        RandomEnvironment(),
        learning_rate=1e-3,
        buffer_size=TRANSITIONS,
        batch_size=BATCH,
        policy_kwargs={"net_arch": [256] * 4, "activation_fn": torch.nn.LeakyReLU},
        seed=0,
        device="cpu",
    )
    learner.set_logger(Logger(None, []))
    buffer = learner.replay_buffer
    for observation, action, reward, following, terminal in transitions():
        ends = np.array([terminal])
        buffer.add(observation[None], following[None], action[None], np.array([reward]), ends, [{}])
    return lambda count: learner.train(gradient_steps=count, batch_size=BATCH)


def ours(options: SACOptions, stages: int, method_name: str | None = None) -> Runner:
    """A function that makes so many of our updates, with the term of a retention method."""
    chance = torch.Generator().manual_seed(0)
    shape = (OBSERVATIONS, ACTIONS, stages, options)
    actor, critics, targets = Actor(*shape, chance), Critics(*shape, chance), Critics(*shape)
    targets.load_state_dict(critics.state_dict())
    buffer = ReplayBuffer(TRANSITIONS, OBSERVATIONS, ACTIONS)
    for transition in transitions():
        observation, action, reward, following, terminal = transition
        buffer.add(observation, action, reward, following, terminal)
    method = None
    if method_name is not None:
        kind = load_method(method_name)
        method = kind(kind.Options(**RETENTION[method_name]))
        teacher = Actor(*shape)
        teacher.load_state_dict(actor.state_dict())
        teacher.requires_grad_(False)
        observations = buffer.rows[:, :OBSERVATIONS].clone()
        expert = ExpertDataset({"observations": observations, "outputs": teacher.outputs(observations)})
        method.prepare(RetentionContext(actor, teacher, expert, buffer, chance))
    updater = Updater(actor, critics, targets, options, chance, method)

    def run(count: int) -> None:
        for _ in range(count):
            updater.update(buffer.sample(BATCH, chance))

    return run


def measure(runners: dict[str, Runner], repeats: int) -> dict[str, float]:
    """Median updates per CPU second of each, turn by turn."""
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for repeat in range(-2, repeats):  # the first two turns warm up
        for name, run in runners.items():
            started = time.process_time()
            run(UPDATES_AT_ONCE)
            if repeat >= 0:
                rates[name].append(UPDATES_AT_ONCE / (time.process_time() - started))
    return {name: statistics.median(values) for name, values in rates.items()}


def summary(rates: dict[str, float]) -> dict[str, Any]:
    """Rates with what they are to be compared with."""
    vanilla = rates["ours, vanilla"]
    return {
        "updates_per_second": rates,
        "speed_up_over_stable_baselines3": {
            name: rates[name] / rates["stable-baselines3"]
            for name in ("ours, same networks", "ours, vanilla")
        },
        "extra_time_over_vanilla": {name: vanilla / rates[f"ours, {name}"] - 1 for name in RETENTION},
        "repeats_of": UPDATES_AT_ONCE,
        "versions": {"torch": torch.__version__, "stable_baselines3": stable_baselines3.__version__},
        "processor": platform.processor() or platform.machine(),
    }


def markdown(found: dict[str, Any]) -> str:
    """The summary as a table."""
    lines = ["| learner | updates/s | of stable-baselines3 | time over vanilla |", "|---|---|---|---|"]
    for name, rate in found["updates_per_second"].items():
        ratio = found["speed_up_over_stable_baselines3"].get(name)
        extra = found["extra_time_over_vanilla"].get(name.removeprefix("ours, "))
        cells = (f"{ratio:.2f} x" if ratio else "", "" if extra is None else f"{extra:+.0%}")
        lines.append(f"| {name} | {rate:.1f} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, and write where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--repeats", type=int, default=40, help="turns of each learner")
    arguments = parser.parse_args()
    prepare_processor()
    runners: dict[str, Runner] = {
        "stable-baselines3": theirs(),
        "ours, same networks": ours(PLAIN, 1),
        "ours, vanilla": ours(PAPER, STAGES),
    }
    runners |= {f"ours, {name}": ours(PAPER, STAGES, name) for name in RETENTION}
    found = summary(measure(runners, arguments.repeats))
    print(markdown(found))
    if arguments.output is not None:
        write_json(arguments.output, found)


if __name__ == "__main__":
    main()
