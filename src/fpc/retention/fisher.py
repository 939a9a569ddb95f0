"""Diagonal Fisher information of a policy with respect to its parameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.func import functional_call, jacrev, vmap

from fpc.retention.interface import outputs_from

if TYPE_CHECKING:
    from torch import Tensor

    from fpc.retention.interface import Policy

SAMPLES_AT_ONCE = 64  # bounds memory: a chunk of Jacobians has samples x outputs x parameters entries


def diagonal_fisher(
    policy: Policy,
    observations: Tensor,
    run_dimensions: int = 0,
    samples_at_once: int = SAMPLES_AT_ONCE,
) -> dict[str, Tensor]:
    """``F_i = mean_n sum_p I_p(x_n) (d outputs_p(x_n) / d theta_i)^2`` of the anchored parameters.

    ``I`` is the diagonal Fisher information of the action distribution w.r.t. its outputs, so the
    expectation over actions is exact, not sampled. For a Gaussian policy it is
    ``(dmu^2 + 2 dstd^2) / std^2`` summed over action dimensions.
    Source: paper section 2 and appendix on EWC in RoboticSequence (after Continual World).

    Args:
        policy: an ``nn.Module`` with the methods of :class:`fpc.retention.interface.Policy`.
        observations: ``[*runs, N, D]``.
        run_dimensions: number of leading dimensions of observations and anchored parameters that index
            independent runs.
        samples_at_once: number of samples whose Jacobians are computed together.

    Returns:
        F with the names and shapes of ``policy.anchored_parameters()``.

    Raises:
        TypeError: the policy is not an ``nn.Module``, so its parameters cannot be substituted.
    """
    if not isinstance(policy, nn.Module):
        raise TypeError(f"the Fisher information needs a policy that is an nn.Module, not {type(policy)}")
    anchored = dict(policy.anchored_parameters())
    observations = observations.detach()
    summed: dict[int, Tensor] = {}  # by id of the parameter
    if not run_dimensions:
        summed = _sum_of_linear_layers(policy, observations, {id(value) for value in anchored.values()})
    rest = [value for value in anchored.values() if id(value) not in summed]
    if rest:
        summed |= _sum_by_jacobian(policy, observations, rest, run_dimensions, samples_at_once)
    samples = observations.shape[run_dimensions]
    return {name: summed[id(value)] / samples for name, value in anchored.items()}


def batch_fisher(policy: Policy, batches: Iterable[Any]) -> dict[str, Tensor]:
    """``F_i = mean_b (d L_b / d theta_i)^2``, where ``L_b`` is the mean cross-entropy of batch b.

    Each sample's label is the policy's own most likely action. The square of a mean is not the mean of
    squares: these values are smaller than those of ``diagonal_fisher`` by a factor of about the batch size,
    and coefficients are chosen accordingly.
    Source: the released NetHack code (text: 10,000 batches, code: 30,000).

    Args:
        policy: has discrete actions; its ``outputs`` are logits ``[N, A]``.
        batches: batches of observations; for recurrent policies sequences, with the recurrent state carried
            from one batch to the next.

    Returns:
        F with the names and shapes of ``policy.anchored_parameters()``.

    Raises:
        ValueError: ``batches`` is empty.
    """
    anchored = dict(policy.anchored_parameters())
    parameters = list(anchored.values())
    total = [torch.zeros_like(value) for value in parameters]
    count, state = 0, None
    for observations in batches:
        with torch.enable_grad():
            outputs, state = outputs_from(policy, observations, state)
            label = outputs.detach().argmax(-1)
            loss = -policy.distribution(outputs).log_prob(label).mean()
        for sum_of_squares, grad in zip(total, torch.autograd.grad(loss, parameters), strict=True):
            sum_of_squares += grad.square()
        count += 1
    if not count:
        raise ValueError("the Fisher information needs at least one batch")
    return {name: value / count for name, value in zip(anchored, total, strict=True)}


def _sum_of_linear_layers(policy: Any, observations: Tensor, wanted: set[int]) -> dict[int, Tensor]:
    """The sum over samples for weights and biases of linear layers, without Jacobians.

    A sample's gradient with respect to a weight is the product of the layer's input x and the gradient g
    with respect to its output, so the sum of squares is ``(g^2)^T (x^2)``: one matrix product. Layers
    that do not process each sample exactly once are left out.
    """
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
    information = policy.information(outputs.detach())
    total = {id(layer.weight): torch.zeros_like(layer.weight) for layer in once}
    total |= {id(layer.bias): torch.zeros_like(layer.bias) for layer in once if id(layer.bias) in wanted}
    for index in range(outputs.shape[-1]):
        grads = torch.autograd.grad(
            outputs[:, index].sum(), [output for _, output in once.values()], retain_graph=True
        )
        for (layer, (inputs, _)), grad in zip(once.items(), grads, strict=True):
            weighted = information[:, index, None] * grad.square()
            total[id(layer.weight)] += weighted.T @ inputs.detach().square()
            if id(layer.bias) in total:
                total[id(layer.bias)] += weighted.sum(0)
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
    policy: Any,
    observations: Tensor,
    wanted: list[nn.Parameter],
    run_dimensions: int,
    samples_at_once: int,
) -> dict[int, Tensor]:
    """The sum over samples for arbitrary parameters, from per-sample Jacobians."""
    module = _OutputsModule(policy)
    path_of = {id(value): path for path, value in module.named_parameters()}
    parameters = {path_of[id(value)]: value.detach() for value in wanted}

    def outputs_of(values: Mapping[str, Tensor], observation: Tensor) -> tuple[Tensor, Tensor]:
        outputs = functional_call(module, dict(values), (observation.unsqueeze(-2),)).squeeze(-2)
        # Runs share no parameters, so the gradient of the sum over runs is each run's own gradient.
        return outputs.reshape(-1, outputs.shape[-1]).sum(0), outputs

    def of_sample(observation: Tensor) -> dict[str, Tensor]:
        jacobian, outputs = jacrev(outputs_of, has_aux=True)(parameters, observation)
        information = policy.information(outputs.unsqueeze(-2)).squeeze(-2).movedim(-1, 0)
        squares = {}
        for path, value in jacobian.items():
            missing = [1] * (value.dim() - 1 - run_dimensions)
            weight = information.reshape(*information.shape, *missing)
            squares[path] = (weight * value.square()).sum(0)
        return squares

    total = {path: torch.zeros_like(value) for path, value in parameters.items()}
    for chunk in torch.split(observations.movedim(run_dimensions, 0), samples_at_once):
        for path, value in vmap(of_sample)(chunk).items():
            total[path] += value.detach().sum(0)
    return {key: total[path].detach() for key, path in path_of.items() if path in total}
