"""The policies of a run as a torch module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fpc.domains.apple_retrieval.config import EnvironmentSection
from fpc.domains.apple_retrieval.policy import ApplePolicy
from fpc.domains.load import Saved

EXAMPLE = """\
import torch
from safetensors.torch import load_file

weights = load_file("model.safetensors")  # "network" in config.json lists the runs: condition, seed
observation = torch.tensor(-0.5)  # before the apple, with c = 0.5
logits = weights["weight"] * observation + weights["bias"]
moves_right = torch.bernoulli(torch.sigmoid(logits))
"""


def weights(saved: Saved) -> dict[str, Tensor]:
    """w and b of each run: float64 ``[K]``."""
    return saved.tensors()


def arguments(section: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Condition and number within it of each of the K runs."""
    conditions = EnvironmentSection.model_validate(section["environment"]).conditions
    seeds = len(weights["weight"]) // len(conditions)
    return {"runs": [[condition.name, number] for condition in conditions for number in range(seeds)]}


def network(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> ApplePolicy:
    """The policies with these weights."""
    return ApplePolicy(weights["weight"], weights["bias"])
