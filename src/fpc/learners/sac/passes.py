"""Forward and backward passes by hand, into memory that is made once.

This is where an update's time goes. Against autograd it saves allocations, the bookkeeping of a graph
and gradients that nobody uses. A test compares every gradient with autograd's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.options import SACOptions

leaky_relu_backward = torch.ops.aten.leaky_relu_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input
native_layer_norm = torch.ops.aten.native_layer_norm.default
native_layer_norm_backward = torch.ops.aten.native_layer_norm_backward.default

Part = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Network:
    """E networks of one shape as ``[E, in, out]`` and ``[E, 1, out]`` views of weights or of gradients."""

    weights: list[Tensor]
    biases: list[Tensor]
    norm_weight: Tensor | None
    norm_bias: Tensor | None
    head_weight: Tensor  # the heads of all stages side by side
    head_bias: Tensor

    # Views have their price too, so those of every update are made once.

    @cached_property
    def transposed(self) -> list[Tensor]:
        """Weights ``[E, out, in]``, the heads' last."""
        return [weight.mT for weight in (*self.weights, self.head_weight)]

    @cached_property
    def each_transposed(self) -> list[list[Tensor]]:
        """The same as ``[out, in]``, first by network, then by layer."""
        return [[weight[number] for weight in self.transposed] for number in range(len(self.head_bias))]

    @cached_property
    def each_norm_weight(self) -> list[Tensor]:
        """LayerNorm's weights ``[1, out]`` by network; () without LayerNorm."""
        return [] if self.norm_weight is None else list(self.norm_weight)


def value_of(parameter: Tensor) -> Tensor:
    """The parameter itself, outside any graph."""
    return parameter.detach()


def gradient_of(parameter: Tensor) -> Tensor:
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
        [part(linear.weight).T.unsqueeze(0) for linear in actor.linears()],
        [part(linear.bias).view(1, 1, -1) for linear in actor.linears()],
        None if norm is None else part(norm.weight).view(1, 1, -1),
        None if norm is None else part(norm.bias).view(1, 1, -1),
        part(actor.head_weight).flatten(0, 1).T.unsqueeze(0),
        part(actor.head_bias).view(1, 1, -1),
    )


class Passes:
    """Workspace for ``rows`` inputs; a backward pass belongs to the newest forward pass."""

    def __init__(self, options: SACOptions, networks: int, rows: int) -> None:
        self.networks, self.epsilon = networks, options.layer_norm_epsilon
        self.sizes = options.hidden_sizes
        self._make(rows)
        slope = {"tanh": None, "relu": 0.0, "leaky_relu": options.leaky_relu_slope}[options.activation]
        self.slopes: list[float | None] = [slope] * len(self.sizes)  # below zero; None is tanh
        if options.layer_norm and options.layer_norm_activation == "tanh":
            self.slopes[0] = None

    def _make(self, rows: int) -> None:
        self.rows = rows
        self.hidden = [torch.empty(self.networks, rows, size) for size in self.sizes]
        self.about = [torch.empty_like(hidden) for hidden in self.hidden]
        self.linear = torch.empty_like(self.hidden[0])  # what LayerNorm is given
        self.each_hidden = [[hidden[number] for hidden in self.hidden] for number in range(self.networks)]
        self.each_linear = list(self.linear)
        self._use(rows)

    def _use(self, rows: int) -> None:
        """Views of the first ``rows`` rows, for backward passes; made here as slicing has its price."""
        self.used = rows
        self.used_hidden = [hidden[:, :rows] for hidden in self.hidden]
        self.used_transposed = [hidden.mT for hidden in self.used_hidden]
        self.used_about = [about[:, :rows] for about in self.about]

    def forward(self, network: Network, inputs: Tensor) -> Tensor:
        """What every head gives, ``[E, N, outputs]``, for inputs ``[N, in]`` shared by all networks."""
        if len(inputs) != self.rows:
            self._make(len(inputs))
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
        if every.shape[1] != self.used:
            self._use(every.shape[1])
        self._weight_gradient(gradients, -1, every)
        torch.sum(every, 1, keepdim=True, out=gradients.head_bias)
        about = torch.bmm(every, network.transposed[-1], out=self.used_about[-1])
        for number in reversed(range(len(self.hidden))):
            self._through_activation(number, self.used_hidden[number], about)
            if number == 0 and network.norm_weight is not None:
                about = self._through_norm(network.norm_weight, gradients, about)
            self._weight_gradient(gradients, number, about)
            torch.sum(about, 1, keepdim=True, out=gradients.biases[number])
            if number:
                about = torch.bmm(about, network.transposed[number], out=self.used_about[number - 1])

    def _weight_gradient(self, gradients: Network, layer: int, about: Tensor) -> None:
        """Product of what went into a layer (-1: the heads) and the derivative about what came out."""
        found = gradients.weights[layer] if layer >= 0 else gradients.head_weight
        if layer:
            below, below_transposed = (
                self.used_hidden[layer - (layer > 0)],
                self.used_transposed[layer - (layer > 0)],
            )
        else:
            below = self.inputs[:, : self.used]
            below_transposed = below.mT
        if found.is_contiguous():
            torch.bmm(below_transposed, about, out=found)
        else:  # a view of an nn.Linear's [out, in]
            torch.bmm(about.mT, below, out=gradients.transposed[layer])

    def about_actions(self, network: Network, choice: Tensor, stage: Tensor, size: int) -> Tensor:
        """Derivative ``[N, size]`` of the chosen values about the last ``size`` inputs, the actions.

        ``choice`` int64 ``[N]`` names the network whose value counts in each row, ``stage`` the head:
        a row's derivative passes through that network alone, half the work of passing through both.
        """
        found = torch.empty(self.rows, size)
        for number in range(self.networks):
            rows = (choice == number).nonzero().squeeze(-1)
            if len(rows):
                about = network.each_transposed[number][-1].index_select(0, stage.index_select(0, rows))
                found.index_copy_(0, rows, self._rows_to_actions(network, number, rows, about, size))
        return found

    def _rows_to_actions(
        self, network: Network, number: int, rows: Tensor, about: Tensor, size: int
    ) -> Tensor:
        weights, hidden = network.each_transposed[number], self.each_hidden[number]
        for layer in reversed(range(len(hidden))):
            self._through_activation(layer, hidden[layer].index_select(0, rows), about)
            if layer:
                about = torch.mm(about, weights[layer])
        if network.norm_weight is not None:
            about = native_layer_norm_backward(
                about.mul_(network.each_norm_weight[number]),
                self.each_linear[number].index_select(0, rows),
                about.shape[-1:],
                self.mean[number].index_select(0, rows),
                self.inverse[number].index_select(0, rows),
                None,
                None,
                [True, False, False],
            )[0]
        return torch.mm(about, weights[0][:, -size:])

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
