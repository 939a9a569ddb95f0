"""The policy of AppleRetrieval: ``P(right) = sigmoid(w o + b)``."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution

from fpc.domains.apple_retrieval.streams import Streams


class ApplePolicy(nn.Module):
    """K policies in parallel; w and b are float64 ``[K]``.

    Double precision makes a run independent of the runs trained alongside it: the last bit of a
    vectorised function may depend on the position in the array and must not decide an action.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.double())
        self.bias = nn.Parameter(bias.double())

    @classmethod
    def new(cls, streams: Streams, initial_range: float) -> ApplePolicy:
        """Initial policies: w and b uniform in ``[-initial_range, initial_range]``."""
        uniforms = torch.from_numpy(streams.draw((2,)))
        values = (2 * uniforms - 1) * initial_range
        return cls(values[:, 0], values[:, 1])

    def outputs(self, observations: Tensor) -> Tensor:
        """Logits of moving right ``[K, N, 1]`` for observations ``[K, N, 1]``."""
        return self.weight[..., None, None] * observations + self.bias[..., None, None]

    def distribution(self, outputs: Tensor) -> Distribution:
        """Bernoulli distribution of moving right, batch shape ``[K, N]``."""
        return Bernoulli(logits=outputs.squeeze(-1), validate_args=False)

    def information(self, outputs: Tensor) -> Tensor:
        """Fisher information ``p (1 - p)`` with respect to the logit, ``[K, N, 1]``."""
        probability = outputs.sigmoid()
        return probability * (1 - probability)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """Both parameters."""
        return {"weight": self.weight, "bias": self.bias}

    def weight_ratio(self) -> NDArray[np.float64]:
        """``|b| / |w|`` of each run, ``[K]``: how strongly the policy ignores the observation."""
        ratio: NDArray[np.float64] = (self.bias.abs() / self.weight.abs()).detach().numpy()
        return ratio
