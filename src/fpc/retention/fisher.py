"""Diagonal Fisher information of a policy with respect to its parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from fpc.core.errors import ConfigError
from fpc.retention.interface import SquashedPolicy

if TYPE_CHECKING:
    from torch import Tensor

    from fpc.retention.interface import Policy

SAMPLES_AT_ONCE = 64  # bounds memory: a chunk of Jacobians has samples x outputs x parameters entries


def diagonal_fisher(
    policy: Policy,
    observations: Tensor,
    run_dimensions: int = 0,
    samples_at_once: int = SAMPLES_AT_ONCE,
    *,
    floor: float = 0.0,
    squashed: bool = False,
) -> dict[str, Tensor]:
    """``F_i = mean_n max(sum_p I_p(x_n) (d outputs_p(x_n) / d theta_i)^2, floor)``, anchored parameters only.

    ``I`` is the diagonal Fisher information of the action distribution w.r.t. its outputs, so the
    expectation over actions is exact, not sampled. For a Gaussian policy it is
    ``(dmu^2 + 2 dstd^2) / std^2`` summed over action dimensions.
    Source: paper section 2 and appendix on EWC in RoboticSequence. The base code (Continual World) has the
    floor of each sample and, in place of the mean mu, tanh(mu).

    Args:
        policy: an ``nn.Module`` with the methods of :class:`fpc.retention.interface.Policy`.
        observations: ``[*runs, N, D]``.
        run_dimensions: number of leading dimensions of observations and anchored parameters that index
            independent runs.
        samples_at_once: number of samples whose Jacobians are computed together.
        floor: lower bound on each sample's value of each parameter, before averaging.
        squashed: take the outputs' derivatives after the policy squashed them into actions.

    Returns:
        F with the names and shapes of ``policy.anchored_parameters()``.

    Raises:
        TypeError: the policy is not an ``nn.Module``, so its parameters cannot be substituted.
        ConfigError: ``squashed``, but the policy does not squash its outputs.
    """
    if not isinstance(policy, nn.Module):
        raise TypeError(f"the Fisher information needs a policy that is an nn.Module, not {type(policy)}")
    if squashed and not isinstance(policy, SquashedPolicy):
        raise ConfigError("this policy's actions are its outputs themselves; set EWC's squashed_mean: false")
    anchored = dict(policy.anchored_parameters())
    observations = observations.detach()
    estimate = _Estimate(policy, samples_at_once, floor, squashed)
    summed: dict[int, Tensor] = {}  # by id of the parameter
    if not run_dimensions:
        summed = _sum_of_linear_layers(estimate, observations, {id(value) for value in anchored.values()})
    rest = [value for value in anchored.values() if id(value) not in summed]
    if rest:
        summed |= _sum_by_jacobian(estimate, observations, rest, run_dimensions)
    samples = observations.shape[run_dimensions]
    return {name: summed[id(value)] / samples for name, value in anchored.items()}


@dataclass(frozen=True)
class _Estimate:
    """What is estimated, and how."""

    policy: Any
    samples_at_once: int
    floor: float
    squashed: bool

    def information(self, outputs: Tensor) -> Tensor:
        """Weight ``[..., N, P]`` of each output's squared derivative."""
        information: Tensor = self.policy.information(outputs)
        if self.squashed:
            information = information * self.policy.squashing(outputs).square()
        return information

    def summed_products(self, left: Tensor, right: Tensor) -> Tensor:
        """``sum_n max(left_n right_n^T, floor)``, ``[I, J]``, of non-negative ``[N, I]`` and ``[N, J]``."""
        if self.floor == 0:
            return left.T @ right
        total = torch.zeros(left.shape[1], right.shape[1], dtype=left.dtype, device=left.device)
        chunks = (torch.split(part, self.samples_at_once) for part in (left, right))
        for some, others in zip(*chunks, strict=True):
            total += (some[:, :, None] * others[:, None, :]).clamp_(min=self.floor).sum(0)
        return total


def _sum_of_linear_layers(estimate: _Estimate, observations: Tensor, wanted: set[int]) -> dict[int, Tensor]:
    """The sum over samples for weights and biases of linear layers, without Jacobians.

    A sample's gradient with respect to a weight is the outer product of the layer's input x and the gradient
    g with respect to its output, and x is the same for all outputs p of the policy. So the sample's value is
    the outer product of ``sum_p I_p g_p^2`` and ``x^2``. Layers that do not process each sample exactly once
    are left out.
    """
    policy = estimate.policy
    calls: dict[nn.Linear, list[tuple[Tensor, Tensor]]] = {}

    def record(layer: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls.setdefault(layer, []).append((inputs[0], output))

    linear = [
        layer for layer in policy.modules() if isinstance(layer, nn.Linear) and id(layer.weight) in wanted
    ]
    hooks = [layer.register_forward_hook(record) for layer in linear]
    try:
        with torch.enable_grad():
            outputs = policy.outputs(observations)
    finally:
        for hook in hooks:
            hook.remove()
    shape = observations.shape[:1]
    once = {
        layer: seen[0] for layer, seen in calls.items() if len(seen) == 1 and seen[0][0].shape[:-1] == shape
    }
    if not once:
        return {}
    information = estimate.information(outputs.detach())
    weighted = [torch.zeros_like(output) for _, output in once.values()]  # sum over outputs, [N, H] a layer
    for index in range(outputs.shape[-1]):
        grads = torch.autograd.grad(
            outputs[:, index].sum(), [output for _, output in once.values()], retain_graph=True
        )
        for of_layer, grad in zip(weighted, grads, strict=True):
            of_layer += information[:, index, None] * grad.square()
    total: dict[int, Tensor] = {}
    for (layer, (inputs, _)), of_layer in zip(once.items(), weighted, strict=True):
        total[id(layer.weight)] = estimate.summed_products(of_layer, inputs.detach().square())
        if id(layer.bias) in wanted:
            total[id(layer.bias)] = of_layer.clamp(min=estimate.floor).sum(0)
    return {key: value.detach() for key, value in total.items()}


class _OutputsModule(nn.Module):
    """Lets ``functional_call`` reach a policy through ``outputs`` instead of ``forward``."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observations: Tensor) -> Tensor:
        outputs: Tensor = self.policy.outputs(observations)  # type: ignore[operator]
        return outputs


def _sum_by_jacobian(
    estimate: _Estimate, observations: Tensor, wanted: list[nn.Parameter], run_dimensions: int
) -> dict[int, Tensor]:
    """The sum over samples for arbitrary parameters, from per-sample Jacobians."""
    module = _OutputsModule(estimate.policy)
    path_of = {id(value): path for path, value in module.named_parameters()}
    parameters = {path_of[id(value)]: value.detach() for value in wanted}

    def outputs_of(values: Mapping[str, Tensor], observation: Tensor) -> tuple[Tensor, Tensor]:
        outputs = functional_call(module, dict(values), (observation.unsqueeze(-2),)).squeeze(-2)
        # Runs share no parameters, so the gradient of the sum over runs is each run's own gradient.
        return outputs.reshape(-1, outputs.shape[-1]).sum(0), outputs

    def of_sample(observation: Tensor) -> dict[str, Tensor]:
        jacobian, outputs = jacrev(outputs_of, has_aux=True)(parameters, observation)
        information = estimate.information(outputs.unsqueeze(-2)).squeeze(-2).movedim(-1, 0)
        squares = {}
        for path, value in jacobian.items():
            missing = [1] * (value.dim() - 1 - run_dimensions)
            weight = information.reshape(*information.shape, *missing)
            squares[path] = (weight * value.square()).sum(0).clamp(min=estimate.floor)
        return squares

    total = {path: torch.zeros_like(value) for path, value in parameters.items()}
    for chunk in torch.split(observations.movedim(run_dimensions, 0), estimate.samples_at_once):
        for path, value in vmap(of_sample)(chunk).items():
            total[path] += value.detach().sum(0)
    return {key: total[path].detach() for key, path in path_of.items() if path in total}
