"""Soft Actor-Critic from the first step to the last, resumable after a kill to the bit (on one CPU).

Checkpoints are made between episodes only: every episode is reset with its own seed, derived from
the run's, so the environment has no state that a checkpoint would have to hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fpc.core import interruption
from fpc.core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from fpc.core.metric_log import MetricLog
from fpc.core.processor import prepare_processor
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.replay_buffer import ReplayBuffer
from fpc.learners.sac.update import Updater, selected
from fpc.retention.interface import ExpertData, RetentionContext, RetentionMethod

if TYPE_CHECKING:
    import pandas as pd

MEASURE_EVERY = 500  # updates between two rows of losses and temperatures
STREAMS = ("initialisation", "exploration", "updates", "retention")


@dataclass(frozen=True)
class Trained:
    """What training gives; ``finished`` is False where ``stop`` ended it early."""

    actor: Actor
    critics: Critics
    metrics: pd.DataFrame
    finished: bool


def episode_seed(seed: int, episode: int) -> int:
    """Seed of one episode's reset; episodes of one run, and of different runs, are independent."""
    return int(np.random.SeedSequence([seed, episode]).generate_state(1)[0])


def generators_of(seed: int) -> dict[str, torch.Generator]:
    """One independent generator for each use of chance."""
    words = np.random.SeedSequence([seed]).generate_state(len(STREAMS), np.uint64)
    found = {}
    for name, word in zip(STREAMS, words, strict=True):
        found[name] = torch.Generator()
        found[name].manual_seed(int(word) & (2**63 - 1))
    return found


def sizes_of(environment: gymnasium.Env[Any, Any], stages: int) -> tuple[int, int]:
    """Sizes of observation and action.

    Raises:
        ValueError: the observation has no room for the one-hot, or actions are not in [-1, 1].
    """
    observations, actions = environment.observation_space, environment.action_space
    if (
        not isinstance(actions, gymnasium.spaces.Box)
        or np.any(actions.low != -1)
        or np.any(actions.high != 1)
    ):
        raise ValueError(f"actions must be a Box from -1 to 1, not {actions}; wrap it in RescaleAction")
    if not isinstance(observations, gymnasium.spaces.Box) or len(observations.shape) != 1:
        raise ValueError(f"observations must be a Box of one dimension, not {observations}")
    if observations.shape[0] <= stages:
        raise ValueError(f"observations of {observations.shape[0]} numbers cannot end in {stages} stages")
    return observations.shape[0], actions.shape[0]


class Session:
    """Everything a run has in memory; ``save`` and ``restore`` cover all of it."""

    def __init__(
        self,
        environment: gymnasium.Env[Any, Any],
        options: SACOptions,
        stages: int,
        seed: int,
        method: RetentionMethod | None,
    ) -> None:
        self.environment, self.options, self.seed, self.method = environment, options, seed, method
        self.generators = generators_of(seed)
        sizes = sizes_of(environment, stages)
        chance = self.generators["initialisation"]
        self.shape = (*sizes, stages, options)
        self.actor, self.critics = Actor(*self.shape, chance), Critics(*self.shape, chance)
        self.updater = Updater(
            self.actor, self.critics, Critics(*self.shape), options, self.generators["updates"], method
        )
        self.buffer = ReplayBuffer(options.buffer_size, *sizes)
        self.log = MetricLog()
        self.step = self.episode = 0

    def start_from(
        self, initial_actor: Mapping[str, Tensor] | None, initial_critic: Mapping[str, Tensor] | None
    ) -> None:
        """Load pre-trained weights as the options want them; then targets equal the critics."""
        chance = self.generators["initialisation"]
        if initial_actor is not None:
            self.actor.load_state_dict(dict(initial_actor))
            if self.options.reset_heads:
                self.actor.reset_heads(chance)
        if initial_critic is not None and not self.options.reset_critic:
            self.critics.load_state_dict(dict(initial_critic))
            if self.options.reset_heads:
                self.critics.reset_heads(chance)
        self.updater.targets.load_state_dict(self.critics.state_dict())

    def context(self, expert: ExpertData | None, teacher: Mapping[str, Tensor] | None) -> RetentionContext:
        """What the retention method may use."""
        policy = None
        if teacher is not None:
            policy = Actor(*self.shape)
            policy.load_state_dict(dict(teacher))
            policy.requires_grad_(False)
        generator = self.generators["retention"]
        return RetentionContext(self.actor, policy, expert, self.buffer, generator, run_dimensions=0)

    def save(self, folder: Path) -> None:
        """Write a checkpoint."""
        tensors = {f"updater.{name}": value for name, value in self.updater.tensors().items()}
        tensors |= {f"buffer.{name}": value for name, value in self.buffer.tensors().items()}
        tensors |= {f"generator.{name}": value.get_state() for name, value in self.generators.items()}
        tensors["metrics"] = self.log.tensor()
        if self.method is not None:
            tensors |= {f"method.{name}": value for name, value in self.method.state_dict().items()}
        counters = {"episode": self.episode, "updates": self.updater.updates}
        state = {"counters": counters, "buffer": self.buffer.state(), "metrics": self.log.names}
        save_checkpoint(folder, self.step, tensors, state)

    def restore(self, checkpoint: Checkpoint, context: RetentionContext) -> None:
        """Back to what ``save`` wrote."""
        tensors, state = checkpoint.tensors, checkpoint.state
        self.step, self.episode = checkpoint.step, state["counters"]["episode"]
        self.updater.restore(selected(tensors, "updater"), state["counters"]["updates"])
        self.buffer.restore(selected(tensors, "buffer"), state["buffer"])
        self.log.restore(state["metrics"], tensors["metrics"])
        for name, generator in self.generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        if self.method is not None:
            self.method.load_state_dict(selected(tensors, "method"), context)

    def action(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Uniform at first, then sampled from the actor."""
        chance = self.generators["exploration"]
        if self.step < self.options.random_steps:
            drawn: NDArray[np.float32] = (
                torch.empty(self.actor.action_size).uniform_(-1, 1, generator=chance).numpy()
            )
            return drawn
        return self.actor.act(observation, generator=chance)

    def learn(self) -> None:
        """A round of updates where one is due."""
        options = self.options
        if self.step % options.update_every or self.step < options.update_after:
            return
        for _ in range(options.updates_per_round):
            self.updater.update(self.buffer.sample(options.batch_size, self.generators["updates"]))
            if self.updater.updates % MEASURE_EVERY == 0:
                self.log.add(self.step, updates=self.updater.updates, **self.updater.measures())

    def run_episode(self, steps: int, after_step: Callable[[], None]) -> dict[str, float]:
        """One episode, or its part up to step ``steps``; measures of a whole one, else nothing."""
        observation, _ = self.environment.reset(seed=episode_seed(self.seed, self.episode))
        total, length, over = 0.0, 0, False
        info: dict[str, Any] = {}
        while not over and self.step < steps:
            action = self.action(observation)
            following, reward, terminated, truncated, info = self.environment.step(action)
            terminal = bool(info.get("value_terminal", terminated))
            self.buffer.add(observation, action, float(reward), following, terminal)
            observation = following
            total, length, over = total + float(reward), length + 1, terminated or truncated
            self.step += 1
            self.learn()
            after_step()
        if not over:
            return {}
        self.episode += 1
        measures = {"return": total, "length": float(length)}
        measures |= {name: float(info[name]) for name in ("success", "stages_solved") if name in info}
        self.log.add(self.step, **measures)
        return measures


def train(
    environment: gymnasium.Env[Any, Any],
    options: SACOptions,
    *,
    stages: int,
    steps: int,
    seed: int,
    state: Path,
    report: Callable[..., None],
    method: RetentionMethod | None = None,
    expert: ExpertData | None = None,
    teacher: Mapping[str, Tensor] | None = None,
    initial_actor: Mapping[str, Tensor] | None = None,
    initial_critic: Mapping[str, Tensor] | None = None,
    milestones: Sequence[int] = (),
    on_milestone: Callable[[int, Actor, Critics], None] | None = None,
    stop: Callable[[], bool] | None = None,
    checkpoint_seconds: float = 60.0,
) -> Trained:
    """Train for ``steps`` environment steps, from the newest checkpoint in ``state`` if there is one.

    Observations are float32 ``[D]`` and end in the one-hot of ``stages`` entries, actions lie in
    [-1, 1]. ``info["value_terminal"]`` (default: terminated) tells whether the value function ends
    with a transition; ``info["success"]`` and ``info["stages_solved"]`` are read at an episode's end.
    ``report(step, total, **measures)`` is called after every episode, ``on_milestone(step, actor,
    critics)`` after exactly that many steps (again, with equal weights, for those after the
    checkpoint a resume starts from), ``stop()`` between episodes.

    Raises:
        ValueError: the environment does not keep to this contract.
        NoUsableCheckpoint: checkpoints exist and none can be read.
        Interrupted: a signal asked to stop; all was saved after the episode under way.
    """
    prepare_processor()
    session = Session(environment, options, stages, seed, method)
    context = session.context(expert, teacher)
    wanted = frozenset(milestones)

    def hand_out() -> None:
        if on_milestone is not None and session.step in wanted:
            on_milestone(session.step, session.actor, session.critics)

    checkpoint = load_checkpoint(state)
    if checkpoint is not None:
        session.restore(checkpoint, context)
    else:
        session.start_from(initial_actor, initial_critic)
        if method is not None:
            method.prepare(context)
        hand_out()
    report(session.step, steps)
    saved = time.monotonic()
    with interruption.deferred():
        while session.step < steps:
            if stop is not None and stop():
                break
            measures = session.run_episode(steps, hand_out)
            report(session.step, steps, **measures)
            asked = interruption.received() is not None
            if measures and (asked or time.monotonic() - saved >= checkpoint_seconds):
                session.save(state)
                saved = time.monotonic()
                interruption.check()
        if checkpoint is None or checkpoint.step < session.step:
            session.save(state)
    return Trained(session.actor, session.critics, session.log.table(seed), session.step >= steps)
