"""Small policies whose gradients can be derived by hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Distribution, Independent, Normal


class GaussianPolicy(nn.Module):
    """One action; mean = a o and standard deviation = exp(c), from outputs (mean, deviation)."""

    def __init__(self, slope: float, log_deviation: float) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))
        self.log_deviation = nn.Parameter(torch.tensor(log_deviation))

    def outputs(self, observations: Tensor) -> Tensor:
        mean = self.slope * observations
        return torch.cat([mean, self.log_deviation.exp().expand_as(mean)], dim=-1)

    def distribution(self, outputs: Tensor) -> Distribution:
        mean, deviation = outputs.chunk(2, dim=-1)
        return Independent(Normal(mean, deviation), 1)

    def information(self, outputs: Tensor) -> Tensor:
        deviation = outputs[..., 1:]
        return torch.cat([deviation**-2, 2 * deviation**-2], dim=-1)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        return {"slope": self.slope, "log_deviation": self.log_deviation}


class NetworkPolicy(nn.Module):
    """A Bernoulli policy with two linear layers and a LayerNorm between them."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1)

    def outputs(self, observations: Tensor) -> Tensor:
        outputs: Tensor = self.last(self.norm(self.first(observations)).tanh())
        return outputs

    def distribution(self, outputs: Tensor) -> Distribution:
        return Bernoulli(logits=outputs.squeeze(-1))

    def information(self, outputs: Tensor) -> Tensor:
        probability = outputs.sigmoid()
        return probability * (1 - probability)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        return {name: value for name, value in self.named_parameters() if name != "last.bias"}


class CategoricalPolicy(nn.Module):
    """Two actions with logits (w o, 0)."""

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight))

    def outputs(self, observations: Tensor) -> Tensor:
        first = self.weight * observations
        return torch.cat([first, torch.zeros_like(first)], dim=-1)

    def distribution(self, outputs: Tensor) -> Distribution:
        return Categorical(logits=outputs)

    def information(self, outputs: Tensor) -> Tensor:
        probabilities = outputs.softmax(-1)
        return probabilities * (1 - probabilities)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        return {"weight": self.weight}


class Listed:
    """A sampler that gives these batches of observations one after the other."""

    def __init__(self, batches: Sequence[Any]) -> None:
        self.batches, self.taken = batches, 0

    def sample(self) -> Any:
        raise NotImplementedError("it has observations only")

    def sample_observations(self) -> Any:
        self.taken += 1
        return self.batches[self.taken - 1]

    def state_dict(self) -> dict[str, Tensor]:
        return {"taken": torch.tensor(self.taken)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.taken = int(state["taken"])
