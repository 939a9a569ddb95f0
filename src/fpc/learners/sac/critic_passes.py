"""Forward and backward pass of both critics by hand, into memory that is made once.

This is where most of an update's time goes. Against autograd it saves allocations, the bookkeeping of
a graph, and gradients nobody uses: the actor's step needs the critics' gradient about the actions
alone. A test compares every gradient with autograd's on :meth:`Critics.values`.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fpc.config.sac import SACOptions
from fpc.learners.sac.networks import CRITICS, Critics

leaky_relu_backward = torch.ops.aten.leaky_relu_backward.grad_input
tanh_backward = torch.ops.aten.tanh_backward.grad_input
native_layer_norm = torch.ops.aten.native_layer_norm.default
native_layer_norm_backward = torch.ops.aten.native_layer_norm_backward.default


class CriticPasses:
    """Workspace for batches of ``batch_size``; a backward pass belongs to the newest forward pass."""

    def __init__(self, critics: Critics, options: SACOptions, batch_size: int) -> None:
        sizes = options.hidden_sizes
        self.trunk_input, self.epsilon = critics.trunk_input, options.layer_norm_epsilon
        self.inputs = torch.empty(batch_size, critics.weights[0].shape[1])
        self.hidden = [torch.empty(CRITICS, batch_size, size) for size in sizes]
        self.gradients = [torch.empty(CRITICS, batch_size, size) for size in sizes]
        self.linear = torch.empty_like(self.hidden[0])  # what LayerNorm is given
        self.every = torch.empty(CRITICS, batch_size, critics.stages)
        self.chosen = torch.empty(CRITICS, batch_size, 1, dtype=torch.int64)
        self.slopes: list[float | None] = []  # of leaky_relu below zero; None is tanh
        slope = {"tanh": None, "relu": 0.0, "leaky_relu": options.leaky_relu_slope}[options.activation]
        self.slopes = [slope] * len(sizes)
        if options.layer_norm and options.layer_norm_activation == "tanh":
            self.slopes[0] = None

    def forward(self, critics: Critics, observations: Tensor, actions: Tensor, stage: Tensor) -> Tensor:
        """Action values ``[2, N]`` at observations ``[N, D]`` of stages int64 ``[N]``, actions ``[N, A]``."""
        torch.cat((observations[:, : self.trunk_input], actions), -1, out=self.inputs)
        before = self.inputs.expand(CRITICS, *self.inputs.shape)
        for number, (hidden, slope) in enumerate(zip(self.hidden, self.slopes, strict=True)):
            normalise = number == 0 and critics.layer_norm
            linear = self.linear if normalise else hidden
            torch.baddbmm(critics.biases[number], before, critics.weights[number], out=linear)
            if normalise:
                self._normalise(critics, hidden)
            if slope is None:
                hidden.tanh_()
            else:
                torch.nn.functional.leaky_relu_(hidden, slope)
            before = hidden
        torch.baddbmm(critics.head_bias, before, critics.head_weight, out=self.every)
        self.chosen.copy_(stage.unsqueeze(-1))
        return self.every.gather(-1, self.chosen).squeeze(-1)

    def _normalise(self, critics: Critics, hidden: Tensor) -> None:
        self.normalised, self.mean, self.inverse_deviation = native_layer_norm(
            self.linear, hidden.shape[-1:], None, None, self.epsilon
        )
        torch.addcmul(critics.norm_bias, self.normalised, critics.norm_weight, out=hidden)

    def to_parameters(self, critics: Critics, gradient: Tensor) -> None:
        """Write ``.grad`` of both networks for the derivative ``[2, N]`` of a loss about the values."""
        every = torch.zeros_like(self.every).scatter_(-1, self.chosen, gradient.unsqueeze(-1))
        torch.bmm(self.hidden[-1].mT, every, out=gradient_of(critics.head_weight))
        torch.sum(every, 1, keepdim=True, out=gradient_of(critics.head_bias))
        about = torch.bmm(every, critics.head_weight.mT, out=self.gradients[-1])
        for number in reversed(range(len(self.hidden))):
            about = self._through_activation(critics, number, about, parameters=True)
            below = self.hidden[number - 1] if number else self.inputs.expand(CRITICS, *self.inputs.shape)
            torch.bmm(below.mT, about, out=gradient_of(critics.weights[number]))
            torch.sum(about, 1, keepdim=True, out=gradient_of(critics.biases[number]))
            if number:
                about = torch.bmm(about, critics.weights[number].mT, out=self.gradients[number - 1])

    def to_actions(self, critics: Critics, gradient: Tensor, action_size: int) -> Tensor:
        """Derivative ``[N, A]`` of a loss about the actions, from that about the values ``[2, N]``."""
        every = torch.zeros_like(self.every).scatter_(-1, self.chosen, gradient.unsqueeze(-1))
        about = torch.bmm(every, critics.head_weight.mT, out=self.gradients[-1])
        for number in reversed(range(1, len(self.hidden))):
            about = self._through_activation(critics, number, about)
            about = torch.bmm(about, critics.weights[number].mT, out=self.gradients[number - 1])
        about = self._through_activation(critics, 0, about)
        return torch.bmm(about, critics.weights[0][:, -action_size:].mT).sum(0)

    def _through_activation(
        self, critics: Critics, number: int, about: Tensor, parameters: bool = False
    ) -> Tensor:
        """From a layer's output to what its linear part gives, in place."""
        slope, hidden = self.slopes[number], self.hidden[number]
        if slope is None:
            tanh_backward(about, hidden, grad_input=about)
        else:
            leaky_relu_backward(about, hidden, slope, True, grad_input=about)
        if number or not critics.layer_norm:
            return about
        if parameters:
            torch.sum(about * self.normalised, 1, keepdim=True, out=gradient_of(critics.norm_weight))
            torch.sum(about, 1, keepdim=True, out=gradient_of(critics.norm_bias))
        about.mul_(critics.norm_weight)
        shape = hidden.shape[-1:]
        found: Tensor = native_layer_norm_backward(
            about, self.linear, shape, self.mean, self.inverse_deviation, None, None, [True, False, False]
        )[0]
        return found


def gradient_of(parameter: Tensor) -> Tensor:
    """``parameter.grad``, made where there is none yet; its content is to be overwritten."""
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad
