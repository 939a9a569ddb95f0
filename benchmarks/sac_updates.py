"""Gradient steps per CPU second of our Soft Actor-Critic, compared with stable-baselines3 and with retention.

Run ``python benchmarks/sac_updates.py [--output benchmarks/results/sac_updates.json]``. All sides run
in this process on one thread with denormals flushed, on the same random transitions of the size of
RoboticSequence's. Turns of a few updates are interleaved, so that other load slows all sides equally, and CPU
time is measured. Medians are reported; a ratio is the median over turns of the ratio within a turn.

"same networks" matches stable-baselines3: an actor and two critics without LayerNorm. The others are the
paper's networks, with LayerNorm and one head for each of four stages.
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
from fpc.core.torch_settings import configure_torch
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.replay_buffer import ReplayBuffer
from fpc.learners.sac.update import Updater
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import RetentionContext
from fpc.retention.registry import load_method

STAGES, OBSERVATIONS, ACTIONS, BATCH, TRANSITIONS = 4, 43, 4, 128, 10_000
UPDATES_AT_ONCE = 5  # short turns, so that all sides see the same load
SIZES = {"4 x 256": (256,) * 4, "2 x 256": (256,) * 2}
RETENTION: dict[str, dict[str, float | int]] = {
    "behavioral_cloning": {"coefficient": 1.0, "batch_size": BATCH},
    "ewc": {"coefficient": 100.0, "fisher_samples": 256, "fisher_floor": 1e-5},
    "kickstarting": {"coefficient": 1.0},
}
VANILLA = "vanilla"
Runner = Callable[[int], object]


class RandomEnvironment(gymnasium.Env[np.ndarray, np.ndarray]):
    """Only its spaces are used; it is never stepped."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATIONS,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (ACTIONS,), np.float32)


def transitions() -> list[tuple[Any, ...]]:
    """Random observations (ending in a one-hot), actions, rewards, next observations, terminals."""
    generator = np.random.default_rng(0)
    observations = generator.standard_normal((TRANSITIONS + 1, OBSERVATIONS)).astype(np.float32)
    stages = np.arange(TRANSITIONS + 1) * STAGES // (TRANSITIONS + 1)
    observations[:, -STAGES:] = np.eye(STAGES, dtype=np.float32)[stages]
    actions = generator.uniform(-1, 1, (TRANSITIONS, ACTIONS)).astype(np.float32)
    rewards = generator.standard_normal(TRANSITIONS).astype(np.float32)
    terminals = generator.random(TRANSITIONS) < 0.01
    return list(zip(observations[:-1], actions, rewards, observations[1:], terminals, strict=True))


def theirs(hidden_sizes: tuple[int, ...]) -> Runner:
    """A function that makes a given number of updates with stable-baselines3."""
    learner = stable_baselines3.SAC(
        "MlpPolicy",
        RandomEnvironment(),
        learning_rate=1e-3,
        buffer_size=TRANSITIONS,
        batch_size=BATCH,
        policy_kwargs={"net_arch": list(hidden_sizes), "activation_fn": torch.nn.LeakyReLU},
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
    """A function that makes a given number of our updates, optionally with a retention method."""
    generator = torch.Generator().manual_seed(0)
    shape = (OBSERVATIONS, ACTIONS, stages, options)
    actor, critics, targets = Actor(*shape, generator), Critics(*shape, generator), Critics(*shape)
    targets.load_state_dict(critics.state_dict())
    buffer = ReplayBuffer(TRANSITIONS, OBSERVATIONS, ACTIONS)
    for transition in transitions():
        observation, action, reward, following, terminal = transition
        buffer.add(observation, action, reward, following, terminal)
    method = None
    if method_name is not None:
        method_class = load_method(method_name)
        method = method_class(method_class.Options(**RETENTION[method_name]))
        teacher = Actor(*shape)
        teacher.load_state_dict(actor.state_dict())
        teacher.requires_grad_(False)
        observations = buffer.rows[:, :OBSERVATIONS].clone()
        expert = ExpertDataset({"observations": observations, "outputs": teacher.outputs(observations)})
        method.prepare(RetentionContext(actor, teacher, expert, buffer, generator, run_dimensions=0))
    updater = Updater(actor, critics, targets, options, generator, method)

    def run(count: int) -> None:
        for _ in range(count):
            updater.update(buffer.sample(BATCH, generator))

    return run


def sides(hidden_sizes: tuple[int, ...]) -> dict[str, Runner]:
    """Everything compared at one network size, by name."""
    found = {"stable-baselines3": theirs(hidden_sizes)}
    options = SACOptions(hidden_sizes=hidden_sizes)
    simple = options.model_copy(update={"layer_norm": False, "leaky_relu_slope": 0.01})
    found["same networks"] = ours(simple, 1)
    found[VANILLA] = ours(options, STAGES)
    return found | {method: ours(options, STAGES, method) for method in RETENTION}


def measure(runners: dict[str, Runner], turns: int) -> dict[str, list[float]]:
    """Updates per CPU second of each side, turn by turn."""
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for turn in range(-2, turns):  # the first two turns warm up
        for name, run in runners.items():
            started = time.process_time()
            run(UPDATES_AT_ONCE)
            if turn >= 0:
                rates[name].append(UPDATES_AT_ONCE / (time.process_time() - started))
    return rates


def summary(rates: dict[str, list[float]]) -> dict[str, Any]:
    """Median rates, and medians over turns of the ratios."""

    def ratio(name: str, base: str) -> float:
        return statistics.median(one / other for one, other in zip(rates[name], rates[base], strict=True))

    return {
        "updates_per_second": {name: statistics.median(values) for name, values in rates.items()},
        "of_stable_baselines3": {
            name: ratio(name, "stable-baselines3") for name in ("same networks", VANILLA)
        },
        "extra_time_over_vanilla": {name: ratio(VANILLA, name) - 1 for name in RETENTION},
    }


def markdown(found: dict[str, Any]) -> str:
    """The summary of one network size as a markdown table."""
    lines = [
        "| learner | updates/s | relative to stable-baselines3 | extra time over vanilla |",
        "|---|---|---|---|",
    ]
    for name, rate in found["updates_per_second"].items():
        cells = [
            f"{found[key][name]:{form}}{unit}" if name in found[key] else ""
            for key, form, unit in (
                ("of_stable_baselines3", ".2f", " x"),
                ("extra_time_over_vanilla", "+.0%", ""),
            )
        ]
        lines.append(f"| {name} | {rate:.1f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument("--turns", type=int, default=40, help="turns per learner")
    arguments = parser.parse_args()
    configure_torch()
    found: dict[str, Any] = {}
    for size, hidden_sizes in SIZES.items():
        found[size] = summary(measure(sides(hidden_sizes), arguments.turns))
        print(f"{size}\n\n{markdown(found[size])}\n", flush=True)
    found["updates_in_a_turn"] = UPDATES_AT_ONCE
    found["versions"] = {"torch": torch.__version__, "stable_baselines3": stable_baselines3.__version__}
    found["processor"] = platform.processor() or platform.machine()
    if arguments.output is not None:
        write_json(arguments.output, found)


if __name__ == "__main__":
    main()
