"""Gradient steps per second of our Soft Actor-Critic, against stable-baselines3 and with retention.

Run ``python benchmarks/sac_updates.py [--output benchmarks/results/sac_updates.json]``. All sides run
in this process on one thread with denormals flushed, on equal random transitions; repeats are
interleaved so that a busy machine slows all alike, and the median is reported. Both learners have a
4 x 256 actor and two 4 x 256 critics; ours has LayerNorm and a head for each of 4 stages besides.
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

from fpc.config.sac import SACOptions
from fpc.files import write_json
from fpc.learners.sac import Actor, Critics, ReplayBuffer, Updater
from fpc.learners.sac.train import prepare_processor
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import RetentionContext, RetentionMethod
from fpc.retention.registry import METHODS_MODULE_HINT

STAGES, OBSERVATIONS, ACTIONS, BATCH, TRANSITIONS = 4, 43, 4, 128, 10_000
THEIRS, VANILLA = "stable-baselines3", "vanilla"
RETENTION = ("behavioral_cloning", "ewc", "kickstarting")


class RandomEnvironment(gymnasium.Env[np.ndarray, np.ndarray]):
    """Only the spaces are used: nothing is stepped here."""

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


def theirs() -> Callable[[int], None]:
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
    for observation, action, reward, following, terminal in transitions():
        learner.replay_buffer.add(
            observation[None], following[None], action[None], np.array([reward]), np.array([terminal]), [{}]
        )
    return lambda count: learner.train(gradient_steps=count, batch_size=BATCH)


def ours(method: RetentionMethod | None = None) -> Callable[[int], None]:
    """A function that makes so many of our updates, with the term of ``method``."""
    options = SACOptions()
    chance = torch.Generator().manual_seed(0)
    shape = (OBSERVATIONS, ACTIONS, STAGES, options)
    actor, critics, targets = Actor(*shape, chance), Critics(*shape, chance), Critics(*shape)
    targets.load_state_dict(critics.state_dict())
    buffer = ReplayBuffer(TRANSITIONS, OBSERVATIONS, ACTIONS)
    for transition in transitions():
        buffer.add(*transition)
    if method is not None:
        teacher = Actor(*shape)
        teacher.load_state_dict(actor.state_dict())
        teacher.requires_grad_(False)
        observations = buffer.rows[:, :OBSERVATIONS].clone()
        outputs = teacher.outputs(observations)
        expert = ExpertDataset({"observations": observations, "outputs": outputs})
        method.prepare(RetentionContext(actor, teacher, expert, buffer, chance))
    updater = Updater(actor, critics, targets, options, chance, method)

    def run(count: int) -> None:
        for _ in range(count):
            updater.update(buffer.sample(BATCH, chance))

    return run
