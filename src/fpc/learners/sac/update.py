"""One gradient step of Soft Actor-Critic (Haarnoja et al. 2018b), one temperature a stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fpc.learners.sac.networks import CRITICS, Actor, Critics, stage_of
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.passes import Network, Passes, actor_network, critic_network, gradient_of, value_of
from fpc.learners.sac.replay_buffer import Batch
from fpc.learners.sac.student import ActorPasses, Student
from fpc.retention.interface import RetentionBatch, RetentionMethod

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
LOG_TWO = math.log(2.0)


def squashed_sample(outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions ``[N, A]`` = tanh(mean + std noise) and their log densities ``[N]``.

    log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)), which does not overflow.
    """
    mean, log_std = outputs.chunk(2, -1)
    before = torch.addcmul(mean, log_std.exp(), noise)
    folded = nn.functional.softplus(-2 * before).add_(before)
    negative = torch.addcmul(log_std, noise, noise, value=0.5).sub_(folded, alpha=2)
    constant = noise.shape[-1] * (HALF_LOG_TWO_PI + 2 * LOG_TWO)
    return before.tanh_(), -constant - negative.sum(-1)


def target_values(
    rewards: Tensor,
    terminals: Tensor,
    values: Tensor,
    densities: Tensor,
    temperature: Tensor,
    discount: float,
) -> Tensor:
    """r + discount (1 - terminal) (min over critics of ``values`` [2, N] - temperature log pi), ``[N]``."""
    ahead = values.amin(0) - temperature * densities
    return torch.addcmul(rewards, 1 - terminals, ahead, value=discount)


def temperature_gradient(densities: Tensor, stage: Tensor, stages: int, target_entropy: float) -> Tensor:
    """Derivative ``[stages]`` of mean(-log_temperature[stage] (log pi + target entropy))."""
    short = (densities + target_entropy) / -len(densities)
    return torch.zeros(stages).index_add_(0, stage, short)


def views(flat: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """Parts of ``flat`` in the shapes of ``parameters``."""
    parts = torch.split(flat, [parameter.numel() for parameter in parameters])
    return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]


def flattened(parameters: Sequence[Tensor]) -> Tensor:
    """One tensor that ``parameters`` become views of, so that Adam and polyak are one operation each."""
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
    for parameter, view in zip(parameters, views(flat, parameters), strict=True):
        parameter.data = view
    return flat


def with_gradient(flat: Tensor, parameters: Sequence[Tensor]) -> Tensor:
    """A gradient for ``flat``, which the gradients of ``parameters`` become views of."""
    gradient = torch.zeros_like(flat)
    for parameter, view in zip(parameters, views(gradient, parameters), strict=True):
        parameter.grad = view
    return gradient


class Drawn(NamedTuple):
    """What the newest policy does at one batch of observations."""

    outputs: Tensor
    noise: Tensor
    actions: Tensor
    densities: Tensor
    temperature: Tensor


def output_gradient(
    outputs: Tensor, noise: Tensor, actions: Tensor, about_actions: Tensor, about_density: Tensor
) -> Tensor:
    """Derivative ``[N, 2A]`` of a loss about ``outputs``, through :func:`squashed_sample`.

    ``about_actions`` ``[N, A]`` and ``about_density`` ``[N, 1]`` are those about its two results. With
    u before tanh: d a/du = 1 - a^2 and d log pi/du = 2a; u = mean + std noise; log pi has -log_std.
    """
    about_before = torch.addcmul(about_actions, actions, 2 * about_density - about_actions * actions)
    deviation = outputs.chunk(2, -1)[1].exp() * noise
    return torch.cat((about_before, about_before * deviation - about_density), -1)


class Updater:
    """Networks, target networks, optimiser and the retention term: all that one update needs.

    As in the base code, the gradients of critics, actor and temperatures are all taken before any of
    them moves.
    """

    def __init__(
        self,
        actor: Actor,
        critics: Critics,
        targets: Critics,
        options: SACOptions,
        generator: torch.Generator,
        method: RetentionMethod | None = None,
    ) -> None:
        self.actor, self.critics, self.targets = actor, critics, targets
        self.options, self.generator, self.method = options, generator, method
        self.actor_parameters = list(actor.parameters())
        networks = list(critics.network_parameters().values())
        self.flat_actor, self.flat_critics = flattened(self.actor_parameters), flattened(networks)
        self.flat_targets = flattened(list(targets.network_parameters().values()))
        critics.requires_grad_(False)  # gradients are written by hand
        targets.requires_grad_(False)
        self.actor_gradient = with_gradient(self.flat_actor, self.actor_parameters)
        self.flat_critics.grad = with_gradient(self.flat_critics, networks)
        self.actor_gradient_views = views(self.actor_gradient, self.actor_parameters)
        self.actor_network = actor_network(actor, value_of)
        self.actor_gradients = actor_network(actor, gradient_of)
        self.critic_network = critic_network(critics, value_of)
        self.critic_gradients = critic_network(critics, gradient_of)
        self.target_network = critic_network(targets, value_of)
        self.actor_passes = ActorPasses(actor, self.actor_network, 2 * options.batch_size)
        self.student = self._student()
        self.critic_passes = Passes(options, CRITICS, options.batch_size)
        groups = [
            {"params": [self.flat_actor], "lr": options.actor_learning_rate},
            {"params": [self.flat_critics], "lr": options.critic_learning_rate},
            {"params": [critics.log_temperature], "lr": options.temperature_learning_rate},
        ]
        self.optimiser = torch.optim.Adam(groups, fused=True)
        self.updates = 0
        self._error: Tensor | None = None
        self._actor_terms: tuple[Drawn, Tensor] | None = None
        self._penalty: Tensor | None = None

    @torch.no_grad()
    def update(self, batch: Batch) -> None:
        """One step of critics, actor and temperatures; critics alone during their warm-up."""
        count = len(batch.rewards)
        observations = torch.cat((batch.observations, batch.next_observations))
        stage = stage_of(observations, self.actor.stages)
        outputs = self.actor_passes.forward(observations, stage)
        noise = torch.randn(len(outputs), self.actor.action_size, generator=self.generator)
        actions, densities = squashed_sample(outputs, noise)
        temperature = self.critics.log_temperature.exp()[stage]
        targets = target_values(
            batch.rewards,
            batch.terminals,
            self._values(self.target_network, observations[count:], actions[count:], stage[count:]),
            densities[count:],
            temperature[count:],
            self.options.discount,
        )
        self._differentiate_critics(batch, stage[:count], targets)
        moving = self.updates >= self.options.critic_warmup_updates
        self.flat_actor.grad = self.actor_gradient if moving else None
        self.critics.log_temperature.grad = None
        if moving:
            drawn = Drawn(*(part[:count] for part in (outputs, noise, actions, densities, temperature)))
            self._differentiate_actor(batch.observations, stage[:count], drawn)
            self.critics.log_temperature.grad = temperature_gradient(
                drawn.densities, stage[:count], self.actor.stages, self.options.target_entropy
            )
        self._step()

    def _step(self) -> None:
        if self.options.gradient_clip is not None:
            for flat in (self.flat_actor, self.flat_critics):
                nn.utils.clip_grad_norm_(flat, self.options.gradient_clip)
        self.optimiser.step()
        self.flat_targets.lerp_(self.flat_critics, 1 - self.options.polyak)
        self.updates += 1

    def _student(self) -> Student:
        """The actor as retention methods see it in an update, with a gradient vector of its own."""
        gradient = torch.zeros_like(self.flat_actor)
        kept = [parameter.grad for parameter in self.actor_parameters]
        for parameter, view in zip(
            self.actor_parameters, views(gradient, self.actor_parameters), strict=True
        ):
            parameter.grad = view
        gradients = actor_network(self.actor, gradient_of)
        for parameter, own in zip(self.actor_parameters, kept, strict=True):
            parameter.grad = own
        return Student(self.actor, self.actor_network, self.flat_actor, gradient, gradients)

    def _values(self, network: Network, observations: Tensor, actions: Tensor, stage: Tensor) -> Tensor:
        """Values ``[2, N]`` of actions ``[N, A]`` at observations ``[N, D]``."""
        inputs = torch.cat((observations[:, : self.critics.trunk_input], actions), -1)
        every = self.critic_passes.forward(network, inputs)
        return every.gather(-1, stage.expand(CRITICS, -1).unsqueeze(-1)).squeeze(-1)

    def _differentiate_critics(self, batch: Batch, stage: Tensor, targets: Tensor) -> None:
        """Write the gradient of both critics' mean halved squared errors."""
        values = self._values(self.critic_network, batch.observations, batch.actions, stage)
        self._error = values - targets
        every = torch.zeros(CRITICS, len(stage), self.critics.stages)
        about = (self._error / len(stage)).unsqueeze(-1)
        every.scatter_(-1, stage.expand(CRITICS, -1).unsqueeze(-1), about)
        self.critic_passes.backward(self.critic_network, self.critic_gradients, every)

    def _differentiate_actor(self, observations: Tensor, stage: Tensor, drawn: Drawn) -> None:
        """Write the gradient of mean(temperature log pi - smaller value) + penalty."""
        count = len(stage)
        values, choice = self._values(self.critic_network, observations, drawn.actions, stage).min(0)
        about_actions = self.critic_passes.about_actions(
            self.critic_network, choice, stage, self.actor.action_size
        ).div_(-count)
        about = output_gradient(
            drawn.outputs, drawn.noise, drawn.actions, about_actions, drawn.temperature[:, None] / count
        )
        about_outputs, about_flat, *about_parameters = self._penalty_gradients(observations, drawn.outputs)
        if about_outputs is not None:
            about += about_outputs
        self.actor_passes.backward(self.actor_gradients, about)
        if about_flat is not None:
            self.actor_gradient += about_flat
        for gradient, addition in zip(self.actor_gradient_views, about_parameters, strict=False):
            if addition is not None:
                gradient += addition
        self._actor_terms = (drawn, values)

    def _penalty_gradients(self, observations: Tensor, outputs: Tensor) -> Sequence[Tensor | None]:
        """Gradients of the retention term about the batch's outputs, all parameters, each parameter.

        The graph of the batch's outputs ends at them: their gradient joins the actor loss's, and the
        one backward pass of the actor serves both.
        """
        self._penalty = None
        if self.method is None:
            return (None, None)
        with torch.enable_grad():
            leaf = outputs.detach().requires_grad_()
            penalty = self.method.penalty(RetentionBatch(self.student, observations, leaf, self.updates))
            if penalty is None:
                return (None, None)
            self._penalty = penalty.detach().sum()
            inputs = [leaf, self.student.flat, *self.actor_parameters]
            return torch.autograd.grad(penalty.sum(), inputs, allow_unused=True)

    @property
    def losses(self) -> dict[str, Tensor]:
        """The terms of the newest update."""
        found: dict[str, Tensor] = {}
        if self._error is not None:
            found["critic_loss"] = 0.5 * self._error.square().mean(-1).sum()
        if self._actor_terms is not None:
            drawn, values = self._actor_terms
            found["actor_loss"] = (drawn.temperature * drawn.densities - values).mean()
        if self._penalty is not None:
            found["penalty"] = self._penalty
        return found

    def measures(self) -> dict[str, float]:
        """The newest losses and every stage's temperature, as numbers."""
        found = {name: float(value) for name, value in self.losses.items()}
        for stage, value in enumerate(self.critics.log_temperature.detach().exp().tolist()):
            found[f"temperature_{stage}"] = value
        return found

    def _modules(self) -> dict[str, nn.Module]:
        return {"actor": self.actor, "critics": self.critics, "targets": self.targets}

    def tensors(self) -> dict[str, Tensor]:
        """Weights and Adam moments, for a checkpoint."""
        found = {
            f"{name}.{key}": value
            for name, module in self._modules().items()
            for key, value in module.state_dict().items()
        }
        for number, moments in self.optimiser.state_dict()["state"].items():
            found |= {f"adam.{number}.{key}": value for key, value in moments.items()}
        return found

    def restore(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Back to what :meth:`tensors` gave after ``updates`` updates."""
        self.updates = updates
        for name, module in self._modules().items():
            module.load_state_dict(selected(tensors, name))
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in selected(tensors, "adam").items():
            number, moment = key.split(".")
            state.setdefault(int(number), {})[moment] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})


def selected(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries named ``prefix.<rest>``, under ``<rest>``."""
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}
