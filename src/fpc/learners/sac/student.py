"""The actor with passes by hand: in the updates, and as the student that a retention method sees."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from fpc.learners.sac.networks import Actor, stage_of
from fpc.learners.sac.passes import Network, Passes


class ActorPasses:
    """Outputs of an actor and their derivative; a backward pass belongs to the newest forward pass."""

    def __init__(self, actor: Actor, network: Network, rows: int) -> None:
        self.actor, self.network = actor, network
        self.passes = Passes(actor.options, 1, rows)

    def forward(self, observations: Tensor, stage: Tensor) -> Tensor:
        """Outputs ``[N, 2A]`` at observations ``[N, D]`` of stages int64 ``[N]``."""
        actor = self.actor
        self.heads = torch.arange(0, len(stage) * actor.stages, actor.stages).add_(stage)
        every = self.passes.forward(self.network, observations[:, : actor.trunk_input])
        outputs = every.view(-1, 2 * actor.action_size).index_select(0, self.heads)
        log_std = outputs[:, actor.action_size :]
        low, high = actor.options.log_std_bounds
        self.inside = (log_std >= low).logical_and_(log_std <= high)
        log_std.clamp_(low, high)
        return outputs

    def backward(self, gradients: Network, about: Tensor) -> None:
        """Write ``gradients`` for the derivative ``[n, 2A]`` about the first n outputs; changes ``about``."""
        actor, count = self.actor, len(about)
        about[:, actor.action_size :] *= self.inside[:count]
        every = torch.zeros(count * actor.stages, 2 * actor.action_size)
        every.index_copy_(0, self.heads[:count], about)
        self.passes.backward(self.network, gradients, every.view(1, count, -1))


class _Outputs(torch.autograd.Function):
    """Outputs as a function of all parameters in one vector."""

    @staticmethod
    def forward(ctx: Any, flat: Tensor, observations: Tensor, student: Student) -> Tensor:
        ctx.student, ctx.passes = student, student.take_passes(len(observations))
        outputs: Tensor = ctx.passes.forward(observations, stage_of(observations, student.actor.stages))
        return outputs

    @staticmethod
    def backward(ctx: Any, *about: Tensor) -> tuple[Tensor, None, None]:
        return ctx.student.differentiate(ctx.passes, about[0]), None, None


class Student:
    """A policy for retention methods whose outputs depend on ``flat``, the actor's parameters as one leaf.

    ``gradient`` is a vector like ``flat`` and ``gradients`` views of it.
    """

    def __init__(self, actor: Actor, network: Network, flat: Tensor, gradient: Tensor, gradients: Network):
        self.actor, self.network = actor, network
        self.flat = flat.detach().requires_grad_()
        self.gradient, self.gradients = gradient, gradients
        self._idle: list[ActorPasses] = []

    def take_passes(self, rows: int) -> ActorPasses:
        """A workspace that no other graph is waiting for."""
        return self._idle.pop() if self._idle else ActorPasses(self.actor, self.network, rows)

    def differentiate(self, passes: ActorPasses, about: Tensor) -> Tensor:
        """The derivative about ``flat``, and the workspace is free again."""
        passes.backward(self.gradients, about.clone())
        self._idle.append(passes)
        return self.gradient.clone()

    def outputs(self, observations: Tensor) -> Tensor:
        """See :meth:`Actor.outputs`; observations are ``[N, D]``."""
        found: Tensor = _Outputs.apply(self.flat, observations, self)  # type: ignore[no-untyped-call]
        return found

    def distribution(self, outputs: Tensor) -> Distribution:
        """See :meth:`Actor.distribution`."""
        return self.actor.distribution(outputs)

    def information(self, outputs: Tensor) -> Tensor:
        """See :meth:`Actor.information`."""
        return self.actor.information(outputs)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """See :meth:`Actor.anchored_parameters`."""
        return self.actor.anchored_parameters()
