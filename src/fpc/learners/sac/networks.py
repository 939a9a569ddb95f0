"""Actor and critics: one trunk each, one head a stage, chosen by the one-hot that ends an observation.

Initialisation is Glorot-uniform with zero biases, as in the base code. Layer 1 is linear, LayerNorm,
``layer_norm_activation``; the others linear, ``activation``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal
from torch.nn import functional

from fpc.learners.sac.options import SACOptions

INFORMATION_FLOOR = 1e-6  # added to the variance, as the paper's Fisher of a Gaussian policy has it
CRITICS = 2


def activations_of(options: SACOptions) -> list[Callable[[Tensor], Tensor]]:
    """The activation of each hidden layer."""
    choices: dict[str, Callable[[Tensor], Tensor]] = {
        "leaky_relu": partial(functional.leaky_relu, negative_slope=options.leaky_relu_slope),
        "relu": functional.relu,
        "tanh": torch.tanh,
    }
    layers = [choices[options.activation]] * len(options.hidden_sizes)
    if options.layer_norm and options.layer_norm_activation == "tanh":
        layers[0] = torch.tanh
    return layers


def glorot_(weight: Tensor, generator: torch.Generator | None) -> None:
    """Fill ``[..., rows, columns]`` in place, each matrix by its own Glorot-uniform bound."""
    fill_uniformly(weight, (6.0 / (weight.shape[-1] + weight.shape[-2])) ** 0.5, generator)


@torch.no_grad()
def fill_uniformly(weight: Tensor, bound: float, generator: torch.Generator | None) -> None:
    """Fill in place from [-bound, bound], drawn on the CPU: the same numbers on every device."""
    weight.copy_(torch.empty(weight.shape).uniform_(-bound, bound, generator=generator))


def stage_of(observations: Tensor, stages: int) -> Tensor:
    """Stage numbers int64 ``[..., N]`` of observations ``[..., N, D]``."""
    return observations[..., observations.shape[-1] - stages :].argmax(-1)


class Actor(nn.Module):
    """A tanh-squashed Gaussian policy; see ``fpc.retention.interface.Policy``.

    Outputs are float32 ``[..., N, 2A]``: means, then log standard deviations, before tanh.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        stages: int,
        options: SACOptions,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.stages, self.action_size, self.options = stages, action_size, options
        self.trunk_input = observation_size if options.stage_in_trunk else observation_size - stages
        self.activations = activations_of(options)
        sizes = (self.trunk_input, *options.hidden_sizes)
        self.trunk = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        self.layer_norm = nn.LayerNorm(sizes[1], options.layer_norm_epsilon) if options.layer_norm else None
        self.head_weight = nn.Parameter(torch.empty(stages, 2 * action_size, sizes[-1]))
        self.head_bias = nn.Parameter(torch.zeros(stages, 2 * action_size))
        for layer in self.linears():
            glorot_(layer.weight, generator)
            nn.init.zeros_(layer.bias)
        self.reset_heads(generator)

    def linears(self) -> list[nn.Linear]:
        """The hidden layers' linear parts."""
        return [layer for layer in self.trunk if isinstance(layer, nn.Linear)]

    def reset_heads(self, generator: torch.Generator | None) -> None:
        """Give every stage a newly initialised head."""
        glorot_(self.head_weight, generator)
        nn.init.zeros_(self.head_bias)

    def layers(self, observations: Tensor) -> list[Tensor]:
        """Activations ``[..., N, H]`` of each hidden layer."""
        hidden = observations[..., : self.trunk_input]
        found = []
        for number, (linear, activation) in enumerate(zip(self.linears(), self.activations, strict=True)):
            hidden = linear(hidden)
            if number == 0 and self.layer_norm is not None:
                hidden = self.layer_norm(hidden)
            hidden = activation(hidden)
            found.append(hidden)
        return found

    def outputs(self, observations: Tensor) -> Tensor:
        """Means and clamped log standard deviations ``[..., N, 2A]``."""
        hidden = self.layers(observations)[-1]
        every = functional.linear(hidden, self.head_weight.flatten(0, 1), self.head_bias.flatten())
        every = every.view(*every.shape[:-1], self.stages, 2 * self.action_size)
        stage = stage_of(observations, self.stages)[..., None, None].expand(
            *every.shape[:-2], 1, every.shape[-1]
        )
        mean, log_std = every.gather(-2, stage).squeeze(-2).chunk(2, -1)
        return torch.cat((mean, log_std.clamp(*self.options.log_std_bounds)), -1)

    def distribution(self, outputs: Tensor) -> Distribution:
        """The Gaussian before tanh; tanh is a bijection, so divergences are those of the actions."""
        mean, log_std = outputs.chunk(2, -1)
        return Independent(Normal(mean, log_std.exp(), validate_args=False), 1, validate_args=False)

    def information(self, outputs: Tensor) -> Tensor:
        """Diagonal Fisher about (mean, log_std): 1/(s^2+1e-6) and 2 s^2/(s^2+1e-6) (appendix on EWC)."""
        variance = outputs.chunk(2, -1)[1].mul(2).exp()
        floored = variance + INFORMATION_FLOOR
        return torch.cat((floored.reciprocal(), 2 * variance / floored), -1)

    def squashing(self, outputs: Tensor) -> Tensor:
        """1 - tanh(mean)^2 for the means, 1 for the log standard deviations, which stay as they are."""
        mean, log_std = outputs.chunk(2, -1)
        return torch.cat((1 - torch.tanh(mean).square(), torch.ones_like(log_std)), -1)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """The trunk's parameters; heads belong to one stage and are left free."""
        return {name: value for name, value in self.named_parameters() if not name.startswith("head_")}

    @torch.no_grad()
    def act(
        self,
        observation: NDArray[np.float32],
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> NDArray[np.float32]:
        """An action ``[A]`` in (-1, 1) for one observation ``[D]``: tanh of the mean or of a sample."""
        given = torch.from_numpy(observation).to(self.head_bias.device)
        hidden = self.layers(given)[-1]
        stage = int(observation[-self.stages :].argmax())
        mean, log_std = torch.addmv(self.head_bias[stage], self.head_weight[stage], hidden).chunk(2)
        if not deterministic:
            noise = torch.randn(self.action_size, generator=generator).to(mean.device)
            mean = mean + log_std.clamp(*self.options.log_std_bounds).exp() * noise
        action: NDArray[np.float32] = torch.tanh(mean).cpu().numpy()
        return action


class Critics(nn.Module):
    """Two action-value functions, computed together, and the log temperatures float32 ``[stages]``.

    Every parameter of the two networks has the critic as its first dimension.
    """

    def __init__(
        self,
        observation_size: int,
        action_size: int,
        stages: int,
        options: SACOptions,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.stages = stages
        self.trunk_input = observation_size if options.stage_in_trunk else observation_size - stages
        self.activations = activations_of(options)
        sizes = (self.trunk_input + action_size, *options.hidden_sizes)
        pairs = list(pairwise(sizes))
        self.weights = nn.ParameterList(torch.empty(CRITICS, before, after) for before, after in pairs)
        self.biases = nn.ParameterList(torch.zeros(CRITICS, 1, after) for _, after in pairs)
        self.layer_norm, self.epsilon = options.layer_norm, options.layer_norm_epsilon
        if options.layer_norm:
            self.norm_weight = nn.Parameter(torch.ones(CRITICS, 1, sizes[1]))
            self.norm_bias = nn.Parameter(torch.zeros(CRITICS, 1, sizes[1]))
        self.head_weight = nn.Parameter(torch.empty(CRITICS, sizes[-1], stages))
        self.head_bias = nn.Parameter(torch.zeros(CRITICS, 1, stages))
        self.log_temperature = nn.Parameter(torch.full((stages,), options.initial_temperature).log())
        for weight in self.weights:
            glorot_(weight, generator)
        self.reset_heads(generator)

    def reset_heads(self, generator: torch.Generator | None) -> None:
        """Give every stage a newly initialised head in both critics."""
        bound = (6.0 / (self.head_weight.shape[1] + 1)) ** 0.5
        fill_uniformly(self.head_weight, bound, generator)
        nn.init.zeros_(self.head_bias)

    def network_parameters(self) -> dict[str, nn.Parameter]:
        """Parameters of the two networks, without the temperatures."""
        return {name: value for name, value in self.named_parameters() if name != "log_temperature"}

    def layers(self, observations: Tensor, actions: Tensor) -> list[Tensor]:
        """Activations ``[2, N, H]`` of each hidden layer for ``[N, D]`` and ``[N, A]``."""
        inputs = torch.cat((observations[:, : self.trunk_input], actions), -1)
        hidden = inputs.expand(CRITICS, *inputs.shape)
        found = []
        for number, activation in enumerate(self.activations):
            hidden = torch.baddbmm(self.biases[number], hidden, self.weights[number])
            if number == 0 and self.layer_norm:
                hidden = functional.layer_norm(hidden, hidden.shape[-1:], eps=self.epsilon)
                hidden = torch.addcmul(self.norm_bias, hidden, self.norm_weight)
            hidden = activation(hidden)
            found.append(hidden)
        return found

    def values(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Action values ``[2, N]`` for observations ``[N, D]`` and actions ``[N, A]``."""
        every = torch.baddbmm(self.head_bias, self.layers(observations, actions)[-1], self.head_weight)
        stage = stage_of(observations, self.stages)
        return every.gather(-1, stage[None, :, None].expand(CRITICS, -1, 1)).squeeze(-1)

    def forward(self, observations: Tensor, actions: Tensor) -> Any:
        """Same as :meth:`values`."""
        return self.values(observations, actions)
