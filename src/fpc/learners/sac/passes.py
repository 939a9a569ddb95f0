"""Forward and backward passes by hand, into memory that is made once.

This is where an update's time goes. Against autograd it saves allocations, the bookkeeping of a graph
and gradients that nobody uses. A test compares every gradient with autograd's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fpc.config.sac import SACOptions
from fpc.learners.sac.networks import CRITICS, Actor, Critics

leaky_relu_backward = torch.ops.aten.leaky_relu_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input
native_layer_norm = torch.ops.aten.native_layer_norm.default
native_layer_norm_backward = torch.ops.aten.native_layer_norm_backward.default

Part = Callable[[torch.nn.Parameter], Tensor]


@dataclass(frozen=True)
class Network:
    """E networks of one shape as ``[E, in, out]`` and ``[E, 1, out]`` views of weights or of gradients."""

    weights: list[Tensor]
    biases: list[Tensor]
    norm_weight: Tensor | None
    norm_bias: Tensor | None
    head_weight: Tensor  # the heads of all stages side by side
    head_bias: Tensor


def value_of(parameter: torch.nn.Parameter) -> Tensor:
    """The parameter itself, outside any graph."""
    return parameter.detach()


def gradient_of(parameter: torch.nn.Parameter) -> Tensor:
    """The parameter's gradient, which must be there."""
    if parameter.grad is None:
        raise ValueError("the parameter has no gradient to view")
    return parameter.grad


def critic_network(critics: Critics, part: Part) -> Network:
    """Both critics."""
    return Network(
        [part(weight) for weight in critics.weights],
        [part(bias) for bias in critics.biases],
        part(critics.norm_weight) if critics.layer_norm else None,
        part(critics.norm_bias) if critics.layer_norm else None,
        part(critics.head_weight),
        part(critics.head_bias),
    )


def actor_network(actor: Actor, part: Part) -> Network:
    """The actor, as the only one of its kind."""
    norm = actor.layer_norm
    return Network(
        [part(linear.weight).T.unsqueeze(0) for linear in actor.linears],
        [part(linear.bias).view(1, 1, -1) for linear in actor.linears],
        None if norm is None else part(norm.weight).view(1, 1, -1),
        None if norm is None else part(norm.bias).view(1, 1, -1),
        part(actor.head_weight).flatten(0, 1).T.unsqueeze(0),
        part(actor.head_bias).view(1, 1, -1),
    )


def product_into(found: Tensor, left: Tensor, right: Tensor) -> None:
    """``left^T right`` into ``found``, which may be a transposed view."""
    if found.is_contiguous():
        torch.bmm(left.mT, right, out=found)
    else:
        torch.bmm(right.mT, left, out=found.mT)


class Passes:
    """Workspace for ``rows`` inputs; a backward pass belongs to the newest forward pass."""

    def __init__(self, options: SACOptions, networks: int, rows: int) -> None:
        self.networks, self.rows, self.epsilon = networks, rows, options.layer_norm_epsilon
        self.hidden = [torch.empty(networks, rows, size) for size in options.hidden_sizes]
        self.about = [torch.empty(networks, rows, size) for size in options.hidden_sizes]
        self.linear = torch.empty_like(self.hidden[0])  # what LayerNorm is given
        slope = {"tanh": None, "relu": 0.0, "leaky_relu": options.leaky_relu_slope}[options.activation]
        self.slopes: list[float | None] = [slope] * len(self.hidden)  # below zero; None is tanh
        if options.layer_norm and options.layer_norm_activation == "tanh":
            self.slopes[0] = None

    def forward(self, network: Network, inputs: Tensor) -> Tensor:
        """What every head gives, ``[E, N, outputs]``, for inputs ``[N, in]`` shared by all networks."""
        self.inputs = before = inputs.expand(self.networks, *inputs.shape)
        parts = zip(self.hidden, self.slopes, network.weights, network.biases, strict=True)
        for number, (hidden, slope, weight, bias) in enumerate(parts):
            if number == 0 and network.norm_weight is not None and network.norm_bias is not None:
                torch.baddbmm(bias, before, weight, out=self.linear)
                self.normalised, self.mean, self.inverse = native_layer_norm(
                    self.linear, hidden.shape[-1:], None, None, self.epsilon
                )
                torch.addcmul(network.norm_bias, self.normalised, network.norm_weight, out=hidden)
            else:
                torch.baddbmm(bias, before, weight, out=hidden)
            if slope is None:
                hidden.tanh_()
            else:
                torch.nn.functional.leaky_relu_(hidden, slope)
            before = hidden
        return torch.baddbmm(network.head_bias, before, network.head_weight)

    def backward(self, network: Network, gradients: Network, every: Tensor) -> None:
        """Write all ``gradients`` for the derivative ``every`` ``[E, n, outputs]`` about the heads.

        It covers the first n rows of the forward pass; the others are taken not to matter.
        """
        rows = every.shape[1]
        product_into(gradients.head_weight, self.hidden[-1][:, :rows], every)
        torch.sum(every, 1, keepdim=True, out=gradients.head_bias)
        about = torch.bmm(every, network.head_weight.mT, out=self.about[-1][:, :rows])
        for number in reversed(range(len(self.hidden))):
            hidden = self.hidden[number][:, :rows]
            self._through_activation(number, hidden, about)
            if number == 0 and network.norm_weight is not None:
                about = self._through_norm(network.norm_weight, gradients, about)
            below = self.hidden[number - 1][:, :rows] if number else self.inputs[:, :rows]
            product_into(gradients.weights[number], below, about)
            torch.sum(about, 1, keepdim=True, out=gradients.biases[number])
            if number:
                about = torch.bmm(about, network.weights[number].mT, out=self.about[number - 1][:, :rows])

    def about_actions(self, network: Network, choice: Tensor, stage: Tensor, size: int) -> Tensor:
        """Derivative ``[N, size]`` of the chosen values about the last ``size`` inputs, the actions.

        ``choice`` int64 ``[N]`` names the network whose value counts in each row, ``stage`` the head:
        a row's derivative passes through that network alone, half the work of passing through both.
        """
        found = torch.empty(self.rows, size)
        for number in range(self.networks):
            rows = (choice == number).nonzero().squeeze(-1)
            if len(rows):
                about = network.head_weight[number].T.index_select(0, stage.index_select(0, rows))
                found.index_copy_(0, rows, self._rows_to_actions(network, number, rows, about, size))
        return found

    def _rows_to_actions(
        self, network: Network, number: int, rows: Tensor, about: Tensor, size: int
    ) -> Tensor:
        for layer in reversed(range(len(self.hidden))):
            self._through_activation(layer, self.hidden[layer][number].index_select(0, rows), about)
            if layer:
                about = torch.mm(about, network.weights[layer][number].T)
        if network.norm_weight is not None:
            about = native_layer_norm_backward(
                about.mul_(network.norm_weight[number]),
                self.linear[number].index_select(0, rows),
                about.shape[-1:],
                self.mean[number].index_select(0, rows),
                self.inverse[number].index_select(0, rows),
                None,
                None,
                [True, False, False],
            )[0]
        return torch.mm(about, network.weights[0][number, -size:].T)

    def _through_activation(self, layer: int, hidden: Tensor, about: Tensor) -> None:
        """From a layer's output to what goes into its activation, in place."""
        slope = self.slopes[layer]
        if slope is None:
            tanh_backward(about, hidden, grad_input=about)
        else:
            leaky_relu_backward(about, hidden, slope, True, grad_input=about)

    def _through_norm(self, norm_weight: Tensor, gradients: Network, about: Tensor) -> Tensor:
        """Through LayerNorm, whose gradients are written."""
        rows = about.shape[1]
        torch.sum(about * self.normalised[:, :rows], 1, keepdim=True, out=gradients.norm_weight)
        torch.sum(about, 1, keepdim=True, out=gradients.norm_bias)
        found: Tensor = native_layer_norm_backward(
            about.mul_(norm_weight),
            self.linear[:, :rows],
            about.shape[-1:],
            self.mean[:, :rows],
            self.inverse[:, :rows],
            None,
            None,
            [True, False, False],
        )[0]
        return found


__all__ = ["CRITICS", "Network", "Passes", "actor_network", "critic_network", "gradient_of", "value_of"]
