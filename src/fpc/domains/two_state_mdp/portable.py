"""The policy as a torch module: one number theta for each gap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fpc.domains.load import Saved
from fpc.domains.two_state_mdp.config import Gaps
from fpc.domains.two_state_mdp.mdp import gaps_by_name, stay_probability

EXAMPLE = """\
import torch
from safetensors.torch import load_file

theta = load_file("model.safetensors")["coverage"]  # of the state coverage gap, in s0
moves_to_s1 = torch.bernoulli(theta)
"""


class TwoStatePolicy(nn.Module):
    """theta of each gap, float64 scalars by the gap's name."""

    def __init__(self, gaps: Gaps) -> None:
        super().__init__()
        self.stay = {name: stay_probability(gap) for name, gap in gaps_by_name(gaps).items()}
        for name in self.stay:
            self.register_parameter(name, nn.Parameter(torch.zeros((), dtype=torch.float64)))

    def forward(self, states: Tensor) -> Tensor:
        """Probability of being in s1 next, float64 ``[gaps, N]``, for states 0 or 1, integer ``[N]``."""
        rows = []
        for name, stay in self.stay.items():
            theta = self.get_parameter(name)
            from_s1 = torch.as_tensor(stay(theta.detach().numpy()), dtype=theta.dtype)
            rows.append(torch.where(states == 1, from_s1, theta))
        return torch.stack(rows)


def weights(saved: Saved) -> dict[str, Tensor]:
    """theta of each gap."""
    return saved.tensors()


def arguments(section: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """The gaps."""
    return {"gaps": section["environment"]["gaps"]}


def network(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> TwoStatePolicy:
    """The policy with these weights."""
    policy = TwoStatePolicy(Gaps.model_validate(arguments["gaps"]))
    policy.load_state_dict(weights)
    return policy
