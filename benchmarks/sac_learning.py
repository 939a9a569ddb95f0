"""Learning curves of our Soft Actor-Critic and stable-baselines3's on three Meta-World tasks.

Run ``python benchmarks/sac_learning.py [--output benchmarks/results/sac_learning.json]`` (80 minutes on
one idle core). It measures success over environment steps and over CPU seconds of training (simulator,
acting and updates, without evaluations) on one thread, so other processes disturb it little. Each finished
run is a file in ``--work`` and is not repeated; seeds are the outer loop, so stopping early leaves complete
seeds.

The same on both sides: the environment, 2 x 256 units with LayerNorm and tanh after layer 1 and LeakyReLU
after layer 2, batch, replay buffer, Adam and its rates, discount, Polyak averaging, target entropy, initial
temperature, schedule (25 updates every 50 steps from step 1,000, uniformly random actions before), and
the evaluation's start states. Different: initialisation (ours Glorot-uniform with zero biases, theirs
torch's default), the order within an update (ours computes all gradients before any step, theirs
updates temperature, critics and actor one after the other), the log-probability (ours is exact where tanh
saturates, theirs adds 1e-6), and the random streams.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import stable_baselines3
import torch
from stable_baselines3.common.logger import Logger
from stable_baselines3.sac.policies import SACPolicy
from torch import nn

from fpc.core.files import read_json, write_json
from fpc.core.torch_settings import configure_torch
from fpc.domains.robotic_sequence.config import EnvironmentOptions
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.learners.interface import Weights
from fpc.learners.sac import SACSpecification
from fpc.learners.sac.networks import Actor
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.train import sizes_of, train

TASKS = {  # environment steps, steps between evaluations
    "window-close": (60_000, 10_000),
    "faucet-close": (70_000, 10_000),
    "door-close": (30_000, 5_000),
}
EPISODES, FIRST_EPISODE_SEED = 10, 10_000
OPTIONS = SACOptions(
    hidden_sizes=(256, 256),
    random_steps=1_000,
    update_after=1_000,
    update_every=50,
    updates_per_round=25,
    initial_temperature=0.3,
)
Act = Callable[[np.ndarray], np.ndarray]


def environment_of(task: str) -> RoboticSequence:
    """One task of at most 200 steps; success ends it and is rewarded as in RoboticSequence."""
    return RoboticSequence(
        EnvironmentOptions(
            stages=[task], pretrained_stages=(0,), max_steps=200, success_factor=1.5, reward_scale=0.1
        )
    )


class Evaluations:
    """Success from fixed start states, and the CPU seconds of training alone."""

    def __init__(self, task: str) -> None:
        self.environment = environment_of(task)
        self.found: dict[str, list[float]] = {"steps": [], "cpu_seconds": [], "success": []}
        self._resumed = time.process_time()  # when training last resumed
        self._trained = 0.0

    def add(self, step: int, act: Act) -> None:
        """Play the evaluation episodes with ``act``; their time and that before step 0 is not counted."""
        self._trained += time.process_time() - self._resumed if step else 0.0
        successes = [self._solved(FIRST_EPISODE_SEED + number, act) for number in range(EPISODES)]
        self.found["steps"].append(step)
        self.found["cpu_seconds"].append(self._trained)
        self.found["success"].append(statistics.mean(successes))
        self._resumed = time.process_time()

    def _solved(self, seed: int, act: Act) -> float:
        observation, _ = self.environment.reset(seed=seed)
        over = False
        while not over:
            observation, _, over, _, info = self.environment.step(act(observation))
        return float(info["success"])


def ours(task: str, seed: int) -> dict[str, list[float]]:
    """The learning curve of our learner."""
    steps, every = TASKS[task]
    evaluations, environment = Evaluations(task), environment_of(task)
    actor = Actor(*sizes_of(environment, 1), 1, OPTIONS)

    def evaluate(step: int, policy: Weights, critic: Weights) -> None:
        actor.load_state_dict(dict(policy))
        evaluations.add(step, partial(actor.act, deterministic=True))

    with tempfile.TemporaryDirectory() as state:
        train(
            SACSpecification(
                environment=environment,
                options=OPTIONS,
                stages=1,
                steps=steps,
                seeds=(seed,),
                state=Path(state),
                report=lambda step, total, **measures: None,
                milestones=tuple(range(0, steps + 1, every)),
                on_milestone=evaluate,
                checkpoint_seconds=float("inf"),
            )
        )
    return evaluations.found


class LayerNormPolicy(SACPolicy):
    """stable-baselines3's policy with LayerNorm and tanh after the first layer of every network."""

    def make_actor(self, features_extractor: Any = None) -> Any:
        """See SACPolicy."""
        actor = super().make_actor(features_extractor)
        actor.latent_pi[1] = _norm(actor.latent_pi)
        return actor

    def make_critic(self, features_extractor: Any = None) -> Any:
        """See SACPolicy."""
        critic = super().make_critic(features_extractor)
        for network in critic.q_networks:
            network[1] = _norm(network)
        return critic


def _norm(network: nn.Sequential) -> nn.Module:
    return nn.Sequential(nn.LayerNorm(network[0].out_features, OPTIONS.layer_norm_epsilon), nn.Tanh())


def theirs(task: str, seed: int) -> dict[str, list[float]]:
    """The learning curve of stable-baselines3."""
    steps, every = TASKS[task]
    evaluations = Evaluations(task)
    learner = stable_baselines3.SAC(
        LayerNormPolicy,
        environment_of(task),
        learning_rate=OPTIONS.actor_learning_rate,
        buffer_size=OPTIONS.buffer_size,
        learning_starts=OPTIONS.update_after,
        batch_size=OPTIONS.batch_size,
        tau=1 - OPTIONS.polyak,
        gamma=OPTIONS.gamma,
        train_freq=OPTIONS.update_every,
        gradient_steps=OPTIONS.updates_per_round,
        ent_coef=f"auto_{OPTIONS.initial_temperature}",
        target_entropy=OPTIONS.target_entropy,
        policy_kwargs={
            "net_arch": list(OPTIONS.hidden_sizes),
            "activation_fn": partial(nn.LeakyReLU, OPTIONS.leaky_relu_slope),
        },
        seed=seed,
        device="cpu",
    )
    learner.set_logger(Logger(None, []))

    def act(observation: np.ndarray) -> np.ndarray:
        return learner.predict(observation, deterministic=True)[0]

    evaluations.add(0, act)
    for step in range(every, steps + 1, every):
        learner.learn(every, reset_num_timesteps=False)
        evaluations.add(step, act)
    return evaluations.found


LEARNERS = {"ours": ours, "stable-baselines3": theirs}


def runs(work: Path, seeds: int) -> list[dict[str, Any]]:
    """All runs, training those that are not yet in ``work``."""
    found = []
    for seed in range(seeds):
        for task in TASKS:
            for name, learn in LEARNERS.items():
                path = work / f"{task}_{name}_{seed}.json"
                if not path.exists():
                    curve = learn(task, seed)
                    write_json(path, {"task": task, "learner": name, "seed": seed, **curve})
                    print(path.stem, curve["success"], f"{curve['cpu_seconds'][-1]:.0f} s", flush=True)
                found.append(read_json(path))
    return found


def markdown(found: list[dict[str, Any]]) -> str:
    """Success at each evaluation (mean and per seed) and median CPU seconds of training."""
    lines = [
        "| task, evaluated every | learner | success, mean | each seed | CPU s |",
        "|---|---|---|---|---|",
    ]
    for task, (_, every) in TASKS.items():
        for name in LEARNERS:
            group = [run for run in found if (run["task"], run["learner"]) == (task, name)]
            curves = [run["success"] for run in group]
            means = " ".join(f"{statistics.mean(values):.2f}" for values in zip(*curves, strict=True))
            seeds = "; ".join(" ".join(f"{value:.1f}" for value in curve) for curve in curves)
            seconds = statistics.median(run["cpu_seconds"][-1] for run in group)
            lines.append(f"| {task}, {every:,} | {name} | {means} | {seeds} | {seconds:.0f} |")
    return "\n".join(lines)


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--output", type=Path, help="JSON file to write")
    parser.add_argument(
        "--work", type=Path, default=Path("build/sac_learning"), help="folder of finished runs"
    )
    parser.add_argument("--seeds", type=int, default=3, help="runs per task and learner")
    arguments = parser.parse_args()
    configure_torch()
    found = runs(arguments.work, arguments.seeds)
    print(markdown(found))
    if arguments.output is not None:
        versions = {"torch": torch.__version__, "stable_baselines3": stable_baselines3.__version__}
        machine = platform.processor() or platform.machine()
        write_json(arguments.output, {"runs": found, "versions": versions, "processor": machine})


if __name__ == "__main__":
    main()
