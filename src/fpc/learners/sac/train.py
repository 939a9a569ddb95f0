"""Soft Actor-Critic from the first step to the last, resumable after a kill to the bit (on one CPU).

Checkpoints are made between episodes only: every episode is reset with its own seed, derived from
the run's, so the environment has no state that a checkpoint would have to hold.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

from fpc.core import interruption
from fpc.core.checkpoint import Checkpoint, load_checkpoint, save_checkpoint, selected
from fpc.core.device import device_name
from fpc.core.metric_log import MetricLog
from fpc.core.seeds import generators_of, short_seed_of
from fpc.core.torch_settings import configure_torch
from fpc.learners.interface import VISITED, Trained, Weights
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.replay_buffer import ReplayBuffer
from fpc.learners.sac.specification import SACSpecification
from fpc.learners.sac.update import Updater
from fpc.retention.interface import RetentionContext

MEASURE_EVERY = 500  # updates between two rows of losses and temperatures
STREAMS = ("initialisation", "exploration", "updates", "retention")


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

    def __init__(self, specification: SACSpecification) -> None:
        self.specification = specification
        self.environment, self.options = specification.environment, specification.options
        self.method = specification.method
        self.generators = generators_of(*specification.stream, uses=STREAMS)
        sizes = sizes_of(self.environment, specification.stages)
        rng = self.generators["initialisation"]
        self.shape = (*sizes, specification.stages, self.options)
        device = specification.device
        self.actor, self.critics = Actor(*self.shape, rng).to(device), Critics(*self.shape, rng).to(device)
        targets, updates = Critics(*self.shape).to(device), self.generators["updates"]
        self.updater = Updater(self.actor, self.critics, targets, self.options, updates, self.method)
        self.buffer = ReplayBuffer(self.options.buffer_size, *sizes)
        self.log = MetricLog()
        self.milestones = frozenset(specification.milestones)
        # The base code acts at random in the first task only, i.e. never with a policy that knows something.
        self.random_steps = 0 if specification.initial_policy is not None else self.options.random_steps
        self.step = self.episode = 0

    def start(self) -> None:
        """Load pre-trained weights as the options want them, and prepare the method."""
        policy, critic = self.specification.initial_policy, self.specification.initial_critic
        rng = self.generators["initialisation"]
        if policy is not None:
            self.actor.load_state_dict(dict(policy))
        if critic is not None and not self.options.reset_critic:
            self.critics.load_state_dict(dict(critic))
            if self.options.reset_heads:
                self.critics.reset_heads(rng)
        self._start_temperatures(critic)
        self.updater.targets.load_state_dict(self.critics.state_dict())
        if self.method is not None:
            self.method.prepare(self.context())
        if policy is not None and self.options.reset_heads:  # after the method has seen pi* itself
            self.actor.reset_heads(rng)
        if self.specification.initial_transitions is not None:
            self.buffer.begin_with(self.specification.initial_transitions)
        self._hand_out()

    def _start_temperatures(self, critic: Weights | None) -> None:
        """pi*'s own temperatures in stages it knows, also with new critics; the configured one elsewhere."""
        temperatures = torch.full_like(self.critics.log_temperature, self.options.initial_temperature).log()
        if critic is not None:
            known = list(self.specification.known_stages)
            temperatures[known] = critic["log_temperature"][known].to(temperatures)
        with torch.no_grad():
            self.critics.log_temperature.copy_(temperatures)

    def context(self) -> RetentionContext:
        """What the retention method may use."""
        teacher = None
        if self.specification.teacher is not None:
            teacher = Actor(*self.shape)
            teacher.load_state_dict(dict(self.specification.teacher))
            teacher.requires_grad_(False).to(self.specification.device)
        expert, rng = self.specification.expert, self.generators["retention"]
        return RetentionContext(self.actor, teacher, expert, self.buffer, rng, run_dimensions=0)

    def _hand_out(self) -> None:
        """The weights, where this step is a milestone."""
        on_milestone = self.specification.on_milestone
        if on_milestone is not None and self.step in self.milestones:
            on_milestone(self.step, self.actor.state_dict(), self.critics.state_dict())

    def save(self) -> None:
        """Write a checkpoint."""
        tensors = {f"updater.{name}": value for name, value in self.updater.tensors().items()}
        tensors |= {f"buffer.{name}": value for name, value in self.buffer.tensors().items()}
        tensors |= {f"generator.{name}": value.get_state() for name, value in self.generators.items()}
        tensors["metrics"] = self.log.tensor()
        if self.method is not None:
            tensors |= {f"method.{name}": value for name, value in self.method.state_dict().items()}
        counters = {"episode": self.episode, "updates": self.updater.updates}
        state = {"counters": counters, "buffer": self.buffer.state(), "metrics": self.log.names}
        save_checkpoint(self.specification.state, self.step, tensors, state)

    def restore(self, checkpoint: Checkpoint) -> None:
        """Back to what ``save`` wrote."""
        tensors, state = checkpoint.tensors, checkpoint.state
        self.step, self.episode = checkpoint.step, state["counters"]["episode"]
        self.updater.restore(selected(tensors, "updater."), state["counters"]["updates"])
        self.buffer.restore(selected(tensors, "buffer."), state["buffer"])
        self.log.restore(state["metrics"], tensors["metrics"])
        for name, generator in self.generators.items():
            generator.set_state(tensors[f"generator.{name}"])
        if self.method is not None:
            self.method.load_state_dict(selected(tensors, "method."), self.context())

    def action(self, observation: NDArray[np.float32]) -> NDArray[np.float32]:
        """Uniform at first in a run from scratch, then sampled from the actor."""
        rng = self.generators["exploration"]
        if self.step < self.random_steps:
            drawn: NDArray[np.float32] = (
                torch.empty(self.actor.action_size).uniform_(-1, 1, generator=rng).numpy()
            )
            return drawn
        return self.actor.act(observation, generator=rng)

    def _note_visit(self, info: Mapping[str, Any]) -> None:
        """Log which probe the environment is at now, if it is there for the first time in this run."""
        if (probe := info.get(VISITED)) is not None:
            self.log.add_first_visit(self.step, probe)

    def learn(self) -> None:
        """A round of updates where one is due."""
        options = self.options
        if self.step % options.update_every or self.step < options.update_after:
            return
        for _ in range(options.updates_per_round):
            self.updater.update(self.buffer.sample(options.batch_size, self.generators["updates"]))
            if self.updater.updates % MEASURE_EVERY == 0:
                self.log.add(self.step, updates=self.updater.updates, **self.updater.measures())

    def run_episode(self, steps: int) -> dict[str, float]:
        """One episode, or its part up to step ``steps``; measures of a whole one, else nothing."""
        seed = short_seed_of(*self.specification.stream, self.episode)
        of_episode = self.specification.episode_options
        options = None if of_episode is None else of_episode(self.episode)
        observation, info = self.environment.reset(seed=seed, options=options)
        self._note_visit(info)
        total, length, over = 0.0, 0, False
        while not over and self.step < steps:
            action = self.action(observation)
            following, reward, terminated, truncated, info = self.environment.step(action)
            terminal = bool(info.get("value_terminal", terminated))
            self.buffer.add(observation, action, float(reward), following, terminal)
            observation = following
            total, length, over = total + float(reward), length + 1, terminated or truncated
            self.step += 1
            self._note_visit(info)
            self.learn()
            self._hand_out()
        if not over:
            return {}
        self.episode += 1
        measures = {"return": total, "length": float(length)}
        measures |= {name: float(info[name]) for name in ("success", "stages_solved") if name in info}
        self.log.add(self.step, **measures)
        return measures


def train(specification: SACSpecification) -> Trained:
    """Train for ``specification.steps`` environment steps, from the newest checkpoint if there is one.

    Progress is reported after every episode; ``on_milestone`` is called after exactly so many steps.

    Raises:
        ValueError: the environment does not keep to the specification's contract.
        NoUsableCheckpoint: checkpoints exist and none can be read.
        Interrupted: a signal asked to stop; all was saved after the episode under way.
    """
    configure_torch()
    session = Session(specification)
    specification.on_device(device_name(session.critics.head_bias.device))
    checkpoint = load_checkpoint(specification.state)
    if checkpoint is not None:
        session.restore(checkpoint)
    else:
        session.start()
    with interruption.deferred():
        _run(session, specification)
        if checkpoint is None or checkpoint.step < session.step:
            session.save()
    return Trained(
        policy=session.actor.state_dict(),
        critic=session.critics.state_dict(),
        table=session.log.table(specification.seed),
        finished=session.step >= specification.steps,
    )


def _run(session: Session, specification: SACSpecification) -> None:
    """Episodes until the steps are spent or ``stop`` says so; saves between them in time."""
    steps, stop = specification.steps, specification.stop
    specification.report(session.step, steps)
    saved = time.monotonic()
    while session.step < steps and not (stop is not None and stop()):
        measures = session.run_episode(steps)
        specification.report(session.step, steps, **measures)
        due = time.monotonic() - saved >= specification.checkpoint_seconds
        if measures and (due or interruption.received() is not None):
            session.save()
            saved = time.monotonic()
            interruption.check()
