"""pi*'s networks while it is trained, and how they act."""

from __future__ import annotations

import torch

from fpc.domains.robotic_sequence.config import PretrainOptions
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.expert import Act
from fpc.domains.robotic_sequence.stage import ACTION_SIZE
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.options import SACOptions


def network_shape(environment: RoboticSequence, options: PretrainOptions) -> tuple[int, int, int, SACOptions]:
    """What actor and critics are made of: sizes of observation and action, stages, and SAC's options."""
    (size,) = environment.observation_space.shape or (0,)
    return size, ACTION_SIZE, len(environment.tasks), options.sac


def new_networks(
    environment: RoboticSequence, options: PretrainOptions, generator: torch.Generator | None
) -> tuple[Actor, Critics]:
    """An actor and critics of the configured size."""
    shape = network_shape(environment, options)
    return Actor(*shape, generator), Critics(*shape, generator)


def deterministic(actor: Actor) -> Act:
    """The policy's mean as a controller."""
    return lambda observation: actor.act(observation, deterministic=True)


def sampled(actor: Actor, generator: torch.Generator) -> Act:
    """The policy, sampled, as a controller."""
    return lambda observation: actor.act(observation, generator=generator)
