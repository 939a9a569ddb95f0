"""Diagonal Fisher information of a policy about its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

if TYPE_CHECKING:
    from torch import Tensor

    from fpc.retention.interface import Policy

SAMPLES_AT_ONCE = 16  # bounds memory: a chunk holds samples x outputs x parameters numbers


class _OutputsModule(nn.Module):
    """Lets ``functional_call`` reach a policy through ``outputs`` instead of ``forward``."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observations: Tensor) -> Tensor:
        outputs: Tensor = self.policy.outputs(observations)  # type: ignore[operator]
        return outputs


def diagonal_fisher(
    policy: Policy, observations: Tensor, samples_at_once: int = SAMPLES_AT_ONCE
) -> dict[str, Tensor]:
    """``F_i = mean_n sum_p I_p(x_n) (d outputs_p(x_n) / d theta_i)^2`` of the anchored parameters.

    ``I`` is the diagonal information of the action distribution about its outputs, so the
    expectation over actions is exact and not sampled. For a Gaussian policy it is
    ``(dmu^2 + 2 dstd^2) / std^2`` summed over action dimensions.
    Source: paper section 2 and appendix on EWC in RoboticSequence (after Continual World).

    Args:
        policy: an ``nn.Module`` with the methods of :class:`fpc.retention.interface.Policy`.
        observations: ``[*runs, N, D]``; with run dimensions each anchored parameter begins with them.
        samples_at_once: per-sample Jacobians are made for so many samples together.

    Returns:
        F with the names and shapes of ``policy.anchored_parameters()``.

    Raises:
        TypeError: the policy is not a module, so its parameters cannot be put in from outside.
    """
    if not isinstance(policy, nn.Module):
        raise TypeError(f"the Fisher information needs a policy that is an nn.Module, not {type(policy)}")
    module = _OutputsModule(policy)
    anchored = dict(policy.anchored_parameters())
    path_of = {id(value): path for path, value in module.named_parameters()}
    parameters = {path_of[id(value)]: value.detach() for value in anchored.values()}
    run_dimensions = observations.dim() - 2

    def outputs_of(values: Mapping[str, Tensor], observation: Tensor) -> tuple[Tensor, Tensor]:
        outputs = functional_call(module, dict(values), (observation.unsqueeze(-2),)).squeeze(-2)
        # Runs share no parameter, so the sum over runs has each run's own derivative.
        return outputs.reshape(-1, outputs.shape[-1]).sum(0), outputs

    def sample_fisher(observation: Tensor) -> dict[str, Tensor]:
        jacobian, outputs = jacrev(outputs_of, has_aux=True)(parameters, observation)
        information = policy.information(outputs.unsqueeze(-2)).squeeze(-2).movedim(-1, 0)
        return {
            path: (information.reshape(*information.shape, *[1] * (value.dim() - 1 - run_dimensions))
                   * value.square()).sum(0)
            for path, value in jacobian.items()
        }  # fmt: skip

    samples = observations.detach().movedim(-2, 0)
    total = {path: torch.zeros_like(value) for path, value in parameters.items()}
    for chunk in torch.split(samples, samples_at_once):
        for path, value in vmap(sample_fisher)(chunk).items():
            total[path] += value.sum(0)
    return {name: total[path_of[id(value)]] / len(samples) for name, value in anchored.items()}
