"""The loss terms of the retention methods as pure functions of tensors.

Shapes: outputs ``[..., N, P]`` as in :mod:`fpc.retention.interface`; leading dimensions index independent
runs, which no function here mixes.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch.distributions import kl_divergence as distribution_divergence

if TYPE_CHECKING:
    from torch import Tensor

    from fpc.retention.interface import Policy


def kl_divergence(policy: Policy, teacher_outputs: Tensor, student_outputs: Tensor) -> Tensor:
    """KL(pi* || pi_theta) per sample: ``sum_a pi*(a|s) [log pi*(a|s) - log pi_theta(a|s)]``.

    Source: paper section 2 (behavioral cloning and kickstarting losses); the
    expectation is over the teacher's actions, so the student must cover them.

    Args:
        policy: defines the distribution that the outputs parametrise.
        teacher_outputs: ``[..., N, P]``, outputs of pi*; no gradient flows into them.
        student_outputs: ``[..., N, P]``, outputs of pi_theta at the same observations.

    Returns:
        ``[..., N]`` in nats, non-negative up to rounding.
    """
    teacher = policy.distribution(teacher_outputs.detach())
    return distribution_divergence(teacher, policy.distribution(student_outputs))


def cross_entropy(policy: Policy, actions: Tensor, outputs: Tensor) -> Tensor:
    """``-log pi_theta(a|s)`` of the expert's actions, per sample.

    Source: the supervised loss of the released NetHack code.

    Args:
        policy: defines the distribution that the outputs parametrise; its actions are discrete.
        actions: int64 ``[..., N]``.
        outputs: ``[..., N, P]``, outputs of pi_theta at the same observations.

    Returns:
        ``[..., N]`` in nats.
    """
    log_probability: Tensor = policy.distribution(outputs).log_prob(actions)
    return -log_probability


def flatten_parameters(parameters: Iterable[Tensor], run_dimensions: int = 0) -> Tensor:
    """Concatenate parameters ``[*runs, ...]`` to ``[*runs, M]``, differentiably.

    Args:
        parameters: tensors that share their first ``run_dimensions`` dimensions.
        run_dimensions: number of leading dimensions that index independent runs.
    """
    return torch.cat([value.reshape(*value.shape[:run_dimensions], -1) for value in parameters], dim=-1)


class _WeightedSquaredDistance(torch.autograd.Function):
    """``sum_i w_i (x_i - y_i)^2`` over the last dimension; with an explicit gradient with respect to x.

    The penalty is memory-bound, and this takes a third less time than autograd's gradient.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, centre: Tensor, weight: Tensor) -> Tensor:
        difference = values - centre
        weighted = weight * difference
        ctx.save_for_backward(weighted)
        distance: Tensor = torch.linalg.vecdot(difference, weighted)
        return distance

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (weighted,) = ctx.saved_tensors
        return weighted * (2 * grads[0]).unsqueeze(-1), None, None


def quadratic_penalty(parameters: Tensor, anchors: Tensor, fisher: Tensor) -> Tensor:
    """EWC's ``sum_i F_i (theta_i - theta*_i)^2``, without the coefficient.

    Source: paper section 2 (EWC), after Kirkpatrick et al. 2017; no factor 1/2, as in the paper.

    Args:
        parameters: theta ``[..., M]``.
        anchors: theta* ``[..., M]``.
        fisher: F ``[..., M]``, the diagonal Fisher information at theta*.

    Returns:
        ``[...]``, one value per run; differentiable with respect to ``parameters`` only.
    """
    value: Tensor = _WeightedSquaredDistance.apply(parameters, anchors, fisher)  # type: ignore[no-untyped-call]
    return value


def decayed_coefficient(initial: float, decay: float, floor: float, update: int) -> float:
    """``max(initial * decay^update, floor)``, with ``update`` counted from 0.

    Source: released NetHack launch configuration of kickstarting (.75, .99998 per update, floor .33).
    """
    return max(initial * decay**update, floor)
