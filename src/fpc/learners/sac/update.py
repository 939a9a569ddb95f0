"""One gradient step of Soft Actor-Critic (Haarnoja et al. 2018b), one temperature a stage.

:meth:`Updater.differentiate` is what is learned, on one screen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from fpc.core.checkpoint import selected
from fpc.learners.sac.networks import Actor, Critics, stage_of
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.replay_buffer import Batch
from fpc.retention.interface import RetentionBatch, RetentionMethod

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
LOG_TWO = math.log(2.0)
FUSED_ADAM = ("cpu", "cuda")  # devices on which Adam is one kernel


def squashed_sample(outputs: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Actions ``[N, A]`` = tanh(mean + std noise) and their log probabilities ``[N]``.

    log(1 - tanh(u)^2) = 2 (log 2 - u - softplus(-2u)), which does not overflow.
    """
    mean, log_std = outputs.chunk(2, -1)
    before_tanh = torch.addcmul(mean, log_std.exp(), noise)
    folded = nn.functional.softplus(-2 * before_tanh).add_(before_tanh)
    negative = torch.addcmul(log_std, noise, noise, value=0.5).sub_(folded, alpha=2)
    constant = noise.shape[-1] * (HALF_LOG_TWO_PI + 2 * LOG_TWO)
    return before_tanh.tanh_(), -constant - negative.sum(-1)


def target_values(
    rewards: Tensor,
    terminals: Tensor,
    next_values: Tensor,
    next_log_probs: Tensor,
    temperature: Tensor,
    gamma: float,
) -> Tensor:
    """r + gamma (1 - terminal) (min over critics of ``next_values`` [2, N] - temperature log pi)."""
    soft_values = next_values.amin(0) - temperature * next_log_probs
    return torch.addcmul(rewards, 1 - terminals, soft_values, value=gamma)


class Parameters(NamedTuple):
    """What Adam moves and what follows the critics; a list for each group."""

    actor: list[Tensor]
    critics: list[Tensor]
    targets: list[Tensor]


class Updater:
    """Actor, critics, their targets and Adam; on whichever device the networks are.

    ``generator`` draws the noise of sampled actions; it may be the CPU's on any device.
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
        self.device = critics.log_temperature.device
        targets.requires_grad_(False)
        self.parameters = self._parameters()
        groups = [
            {"params": self.parameters.actor, "lr": options.actor_learning_rate},
            {"params": self.parameters.critics, "lr": options.critic_learning_rate},
            {"params": [critics.log_temperature], "lr": options.temperature_learning_rate},
        ]
        self.optimizer = torch.optim.Adam(groups, fused=self.device.type in FUSED_ADAM)
        self.updates = 0
        # Of the newest update: critic_loss and, where the actor moved, actor_loss and the penalty.
        self.losses: dict[str, Tensor] = {}

    def update(self, batch: Batch) -> None:
        """Move critics, actor and temperatures by one step; critics alone during their warm-up."""
        self.differentiate(batch, self.updates >= self.options.critic_warmup_updates)
        if self.options.max_grad_norm is not None:
            for group in (self.parameters.actor, self.parameters.critics):
                nn.utils.clip_grad_norm_(group, self.options.max_grad_norm)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.parameters.targets, self.parameters.critics, 1 - self.options.polyak)
        self.updates += 1

    # --8<-- [start:definition]
    def differentiate(self, batch: Batch, move_actor: bool) -> None:
        """Write the gradients of all losses, before anything moves."""
        actor, critics, targets, options = self.actor, self.critics, self.targets, self.options
        observations, actions, rewards, next_observations, terminals = (
            part.to(self.device) for part in batch
        )
        noise, next_noise = self._noise(2 * len(rewards)).chunk(2)
        stage, next_stage = stage_of(observations, actor.stages), stage_of(next_observations, actor.stages)
        temperature = critics.log_temperature.detach().exp()
        self.optimizer.zero_grad()

        with torch.no_grad():
            next_actions, next_log_probs = squashed_sample(actor.outputs(next_observations), next_noise)
            next_values = targets.values(next_observations, next_actions)
            wanted = target_values(
                rewards, terminals, next_values, next_log_probs, temperature[next_stage], options.gamma
            )
        critic_loss = 0.5 * (critics.values(observations, actions) - wanted).square().mean(-1).sum()
        torch.autograd.backward(critic_loss, inputs=self.parameters.critics)
        self.losses = {"critic_loss": critic_loss.detach()}
        if not move_actor:
            return

        outputs = actor.outputs(observations)
        own_actions, log_probs = squashed_sample(outputs, noise)
        values = critics.values(observations, own_actions).min(0).values
        actor_loss = (temperature[stage] * log_probs - values).mean()
        self.losses["actor_loss"] = actor_loss.detach()
        penalty = self._penalty(RetentionBatch(actor, observations, outputs, self.updates))
        loss = actor_loss if penalty is None else actor_loss + penalty
        torch.autograd.backward(loss, inputs=self.parameters.actor)

        entropy_gap = log_probs.detach() + options.target_entropy
        temperature_loss = -(critics.log_temperature[stage] * entropy_gap).mean()
        torch.autograd.backward(temperature_loss, inputs=[critics.log_temperature])
        # --8<-- [end:definition]

    def _parameters(self) -> Parameters:
        return Parameters(
            [*self.actor.parameters()],
            [*self.critics.network_parameters().values()],
            [*self.targets.network_parameters().values()],
        )

    def _noise(self, count: int) -> Tensor:
        """Standard normal ``[count, A]``, drawn on the generator's device."""
        shape, generator = (count, self.actor.action_size), self.generator
        return torch.randn(shape, generator=generator, device=generator.device).to(self.device)

    def _penalty(self, batch: RetentionBatch) -> Tensor | None:
        """The retention method's term, a scalar, with its graph."""
        penalty = None if self.method is None else self.method.penalty(batch)
        if penalty is None:
            return None
        penalty = penalty.sum()
        self.losses["penalty"] = penalty.detach()
        return penalty

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
        for number, moments in self.optimizer.state_dict()["state"].items():
            found |= {f"adam.{number}.{key}": value for key, value in moments.items()}
        return found

    def restore(self, tensors: Mapping[str, Tensor], updates: int) -> None:
        """Back to what :meth:`tensors` gave after ``updates`` updates."""
        self.updates = updates
        for name, module in self._modules().items():
            module.load_state_dict(selected(tensors, f"{name}."))
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in selected(tensors, "adam.").items():
            number, moment = key.split(".")
            state.setdefault(int(number), {})[moment] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
