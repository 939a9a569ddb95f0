"""One gradient step of Soft Actor-Critic (Haarnoja et al. 2018b), one temperature a stage."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from fpc.config.sac import SACOptions
from fpc.learners.sac.critic_passes import CriticPasses
from fpc.learners.sac.networks import Actor, Critics, stage_of
from fpc.learners.sac.replay_buffer import Batch
from fpc.retention.interface import RetentionBatch, RetentionMethod

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
LOG_TWO = math.log(2.0)


def squashed_sample(outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions ``[N, A]`` = tanh(mean + std noise) and their log densities ``[N]``.

    log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)), which does not overflow.
    """
    mean, log_std = outputs.chunk(2, -1)
    before = torch.addcmul(mean, log_std.exp(), noise)
    correction = 2 * (LOG_TWO - before - nn.functional.softplus(-2 * before))
    density = -0.5 * noise.square() - log_std - HALF_LOG_TWO_PI - correction
    return torch.tanh(before), density.sum(-1)


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
    parts = flat.split([parameter.numel() for parameter in parameters])
    return [part.view_as(parameter) for part, parameter in zip(parts, parameters, strict=True)]


def flattened(parameters: Sequence[Tensor]) -> Tensor:
    """One tensor that ``parameters`` become views of, so that Adam and polyak are one operation each."""
    flat = torch.cat([parameter.detach().flatten() for parameter in parameters])
    for parameter, view in zip(parameters, views(flat, parameters), strict=True):
        parameter.data = view
    return flat


def output_gradient(
    outputs: Tensor, noise: Tensor, actions: Tensor, about_actions: Tensor, about_density: Tensor
) -> Tensor:
    """Derivative ``[N, 2A]`` of a loss about ``outputs``, through :func:`squashed_sample`.

    ``about_actions`` ``[N, A]`` and ``about_density`` ``[N, 1]`` are those about its two results. With
    u before tanh: d a/du = 1 - a^2 and d log pi/du = 2a; u = mean + std noise; log pi has -log_std.
    """
    about_before = about_actions * (1 - actions.square()) + 2 * about_density * actions
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
        critics.requires_grad_(False)  # their gradients are written by CriticPasses
        targets.requires_grad_(False)
        self.passes = CriticPasses(critics, options, options.batch_size)
        self.flat_critics.grad = torch.zeros_like(self.flat_critics)
        for parameter, gradient in zip(networks, views(self.flat_critics.grad, networks), strict=True):
            parameter.grad = gradient
        groups = [
            {"params": [self.flat_actor], "lr": options.actor_learning_rate},
            {"params": [self.flat_critics], "lr": options.critic_learning_rate},
            {"params": [critics.log_temperature], "lr": options.temperature_learning_rate},
        ]
        self.optimiser = torch.optim.Adam(groups, fused=True)
        self.updates = 0
        self.losses: dict[str, Tensor] = {}

    @torch.no_grad()
    def update(self, batch: Batch, measure: bool = False) -> None:
        """One step on ``batch`` of ``batch_size`` transitions; ``measure`` leaves values in ``losses``."""
        stage = stage_of(batch.observations, self.actor.stages)
        targets = self._targets(batch)
        values = self.passes.forward(self.critics, batch.observations, batch.actions, stage)
        error = values - targets
        self.passes.to_parameters(self.critics, error / len(targets))
        if measure:
            self.losses["critic_loss"] = 0.5 * error.square().mean(-1).sum()
        if self.updates >= self.options.critic_warmup_updates:
            self._differentiate_actor(batch, stage, measure)
        if self.options.gradient_clip is not None:
            nn.utils.clip_grad_norm_(self.flat_actor, self.options.gradient_clip)
            nn.utils.clip_grad_norm_(self.flat_critics, self.options.gradient_clip)
        self.optimiser.step()
        self.flat_targets.lerp_(self.flat_critics, 1 - self.options.polyak)
        self.updates += 1

    def _noise(self, count: int) -> Tensor:
        return torch.randn(count, self.actor.action_size, generator=self.generator)

    def _targets(self, batch: Batch) -> Tensor:
        following = batch.next_observations
        stage = stage_of(following, self.actor.stages)
        actions, densities = squashed_sample(self.actor.outputs(following), self._noise(len(following)))
        return target_values(
            batch.rewards,
            batch.terminals,
            self.passes.forward(self.targets, following, actions, stage),
            densities,
            self.critics.log_temperature.exp()[stage],
            self.options.discount,
        )

    def _differentiate_actor(self, batch: Batch, stage: Tensor, measure: bool) -> None:
        """Write ``.grad`` of the actor, retention term included, and of the temperatures."""
        actor, count = self.actor, len(stage)
        noise = self._noise(count)
        with torch.enable_grad():
            outputs = actor.outputs(batch.observations)
        actions, densities = squashed_sample(outputs, noise)
        values = self.passes.forward(self.critics, batch.observations, actions, stage)
        first = values[0] <= values[1]  # the loss has the smaller value, so only that critic a gradient
        about_values = torch.stack((first, ~first)).float().div_(-count)
        about_actions = self.passes.to_actions(self.critics, about_values, actor.action_size)
        temperature = self.critics.log_temperature.exp()[stage]
        about_density = temperature.unsqueeze(-1) / count
        roots = [outputs]
        gradients: list[Tensor | None] = [
            output_gradient(outputs, noise, actions, about_actions, about_density)
        ]
        penalty = self._penalty(batch.observations, outputs)
        if penalty is not None:
            roots.append(penalty)
            gradients.append(None)
        found = torch.autograd.grad(roots, self.actor_parameters, gradients)
        self.flat_actor.grad = torch.cat([gradient.flatten() for gradient in found])
        self.critics.log_temperature.grad = temperature_gradient(
            densities, stage, actor.stages, self.options.target_entropy
        )
        if measure:
            self.losses["actor_loss"] = (temperature * densities - values.amin(0)).mean()
            if penalty is not None:
                self.losses["penalty"] = penalty.detach()

    def _penalty(self, observations: Tensor, outputs: Tensor) -> Tensor | None:
        if self.method is None:
            return None
        with torch.enable_grad():
            penalty = self.method.penalty(RetentionBatch(self.actor, observations, outputs, self.updates))
            return None if penalty is None else penalty.sum()

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
