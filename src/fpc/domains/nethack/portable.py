"""The network as a torch module, from pi* and from milestones that hold what differs from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from fpc.domains.load import Saved
from fpc.domains.nethack.config import NetworkOptions
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.published_weights import check_weights, layout_of

EXAMPLE = """\
import json
from pathlib import Path
import torch
from safetensors.torch import load_file
from fpc.domains.nethack.config import NetworkOptions
from fpc.domains.nethack.network import NetHackNetwork

network = NetHackNetwork(NetworkOptions(**json.loads(Path("config.json").read_text())["network"])).eval()
network.load_state_dict(load_file("model.safetensors"))
shapes = {"tty_chars": (24, 80), "tty_colors": (24, 80), "tty_cursor": (2,), "previous_action": (1,)}
seen = {name: torch.zeros(1, 1, *shape, dtype=torch.uint8) for name, shape in shapes.items()}  # [time, game]
logits, value, state = network(seen, torch.tensor([[True]]), network.initial_state(1))  # True: a game begins
"""


def weights(saved: Saved) -> dict[str, Tensor]:
    """All tensors: a milestone's own, and pi*'s where it has none."""
    found = saved.tensors()
    options = NetworkOptions.model_validate(saved.section["network"])
    if saved.step is not None and found.keys() < layout_of(options).keys():
        found = saved.pi_star().tensors() | found
    check_weights(saved.path, found, options)
    return found


def arguments(section: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """Sizes of the network."""
    return dict(section["network"])


def network(arguments: Mapping[str, Any], weights: Mapping[str, Tensor]) -> NetHackNetwork:
    """The network with these weights."""
    module = NetHackNetwork(NetworkOptions.model_validate(arguments))
    module.load_state_dict(weights)
    return module
