"""Cloning of scripted experts into SAC's actor, and training of critics for the cloned policy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from fpc.domains.robotic_sequence.config import CloneOptions
from fpc.domains.robotic_sequence.expert import Rollouts
from fpc.learners.sac.networks import Actor
from fpc.learners.sac.replay_buffer import ReplayBuffer
from fpc.learners.sac.update import Updater

ACTION_BOUND = 0.98  # targets are clamped, or the mean before tanh would grow without bound
REPORT_EVERY = 500

Report = Callable[[int, dict[str, float]], None]


def clone(
    actor: Actor, data: Rollouts, options: CloneOptions, generator: torch.Generator, report: Report
) -> None:
    """Fit tanh(mean) to the expert's intended actions, and the standard deviation to a constant.

    A maximum-likelihood standard deviation would shrink to the residuals and leave SAC with a policy
    that no longer explores; the constant is ``options.log_standard_deviation``.
    """
    observations = torch.from_numpy(data.observations)
    targets = torch.from_numpy(data.intended).clamp(-ACTION_BOUND, ACTION_BOUND)
    silence_unseen_heads(actor, sorted({int(stage) for stage in data.stage}))
    optimiser = torch.optim.Adam(actor.parameters(), options.learning_rate, fused=True)
    for update in range(options.updates):
        for group in optimiser.param_groups:
            group["lr"] = options.learning_rate * 0.5 * (1 + math.cos(math.pi * update / options.updates))
        chosen = torch.randint(len(targets), (options.batch_size,), generator=generator)
        loss = cloning_loss(actor.outputs(observations[chosen]), targets[chosen], options)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if update % REPORT_EVERY == 0 or update == options.updates - 1:
            report(update + 1, {"cloning_loss": loss.item()})


@torch.no_grad()
def silence_unseen_heads(actor: Actor, seen: Sequence[int]) -> None:
    """Zero the heads of stages that are not cloned: mean 0, unit standard deviation before tanh.

    A randomly initialised head moves the arm in a fixed direction, which sometimes solves an easy stage
    by luck; pi* should know nothing about stages it was not trained on.
    """
    unseen = [stage for stage in range(actor.stages) if stage not in seen]
    actor.head_weight[unseen] = 0.0
    actor.head_bias[unseen] = 0.0


def cloning_loss(outputs: Tensor, targets: Tensor, options: CloneOptions) -> Tensor:
    """Mean squared error of tanh(mean) plus that of the log standard deviation; outputs are ``[N, 2A]``."""
    mean, log_std = outputs.chunk(2, -1)
    spread = (log_std - options.log_standard_deviation).square().mean()
    return functional.mse_loss(torch.tanh(mean), targets) + spread


def evaluate_policy(updater: Updater, data: Rollouts, updates: int, report: Report) -> None:
    """Train ``updater``'s critics on transitions, with the policy's own next actions in the targets.

    The updater needs ``critic_warmup_updates`` >= ``updates``, so that the actor stays fixed.

    Raises:
        ValueError: the updater would change the actor.
    """
    if updater.updates + updates > updater.options.critic_warmup_updates:
        raise ValueError("critic_warmup_updates must cover all updates of a policy evaluation")
    buffer = replay_buffer_of(data)
    for update in range(updates):
        updater.update(buffer.sample(updater.options.batch_size, updater.generator))
        if update % REPORT_EVERY == 0 or update == updates - 1:
            report(update + 1, {"critic_loss": float(updater.losses["critic_loss"])})


def replay_buffer_of(data: Rollouts) -> ReplayBuffer:
    """A full replay buffer of these transitions."""
    buffer = ReplayBuffer(len(data) + 1, data.observations.shape[-1], data.action.shape[-1])
    transitions = {
        "observation": data.observations,
        "action": data.action,
        "reward": data.reward,
        "next_observation": data.next_observations,
        "terminated": data.terminated,
    }
    buffer.protect({name: torch.from_numpy(value) for name, value in transitions.items()}, None)
    return buffer
