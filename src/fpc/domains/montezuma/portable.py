"""The network as a torch module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fpc.domains.load import Saved
from fpc.domains.montezuma.config import EnvironmentOptions, NetworkOptions
from fpc.domains.montezuma.network import MontezumaNetwork, network_with

EXAMPLE = """\
import json
from pathlib import Path
import torch
from safetensors.torch import load_file
from fpc.domains.montezuma.config import EnvironmentOptions, NetworkOptions
from fpc.domains.montezuma.network import MontezumaNetwork

made_of = json.loads(Path("config.json").read_text())["network"]
network = MontezumaNetwork(NetworkOptions(**made_of["sizes"]), EnvironmentOptions(**made_of["environment"]))
network.load_state_dict(load_file("model.safetensors"))
screens = torch.zeros(1, *network.shape, dtype=torch.uint8)  # the last frames, the newest last
action = network.logits(network.encode(screens)).argmax(-1)  # one of the Atari's 18 actions
"""


def weights(saved: Saved) -> dict[str, Tensor]:
    """All tensors of the network."""
    return saved.tensors()


def arguments(section: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Sizes of the network, and the environment, which determines the screen's size."""
    return {"sizes": section["network"], "environment": section["environment"]}


def network(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> MontezumaNetwork:
    """The network with these weights."""
    options = NetworkOptions.model_validate(arguments["sizes"])
    return network_with(options, EnvironmentOptions.model_validate(arguments["environment"]), weights)
