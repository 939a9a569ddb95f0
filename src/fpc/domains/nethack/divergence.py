"""Kullback-Leibler divergence of a policy from pi* on the expert's games."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fpc.core.files import read_tensors
from fpc.domains.evaluation import has_weights
from fpc.domains.nethack.network import NetHackNetwork
from fpc.learners.recurrence import unroll

OBSERVATIONS = ("tty_chars", "tty_colors", "tty_cursor", "previous_action")
MEASURE = "kl_divergence"
_ENCODE_AT_ONCE = 256
_STEPS_AT_ONCE = 4096  # bounds memory; the recurrent state is carried over


def read_divergence_data(path: Path) -> dict[str, Tensor]:
    """Read the expert games reserved for the divergence, concatenated.

    Returns:
        outputs float [N, actions] (pi*'s log-probabilities), starts bool [N] (first steps of games),
        depth uint8 [N], and either features float [N, H] of pi*'s encoder or the four observations
        uint8 [N, ...].

    Raises:
        ValueError: a tensor is missing, or the lengths differ.
    """
    tensors = read_tensors(path)
    inputs = OBSERVATIONS if OBSERVATIONS[0] in tensors else ("features",)
    needed = ("outputs", "starts", "depth", *inputs)
    missing = [name for name in needed if name not in tensors]
    if missing:
        raise ValueError(f"{path}: missing tensor {', '.join(missing)}; run collect again")
    if len({len(tensors[name]) for name in needed}) != 1:
        lengths = ", ".join(f"{name} {len(tensors[name])}" for name in needed)
        raise ValueError(f"{path}: tensors must have one row per step, not {lengths}; run collect again")
    return {name: tensors[name] for name in needed}


def same_encoder(network: NetHackNetwork, other: NetHackNetwork) -> bool:
    """Whether both have the same weights and batch-normalisation statistics before the LSTM."""
    after = ("core.", "policy.", "baseline.")
    encoder = {name: value for name, value in other.state_dict().items() if not name.startswith(after)}
    return has_weights(network.state_dict(), encoder)


@torch.inference_mode()
def divergence(network: NetHackNetwork, data: dict[str, Tensor]) -> Tensor:
    """KL(pi* || policy) in nats at each step, float32 [N], on the CPU."""
    network.eval()
    device = network.policy.weight.device
    state, found = network.initial_state(1), []
    for begin in range(0, len(data["starts"]), _STEPS_AT_ONCE):
        part = {name: value[begin : begin + _STEPS_AT_ONCE].to(device) for name, value in data.items()}
        features = part["features"].float() if "features" in part else _encoded(network, part)
        outputs, state = unroll(network.core, features[:, None], part["starts"].bool()[:, None], state)
        own = F.log_softmax(network.policy(outputs[:, 0]), dim=-1)
        pi_star = F.log_softmax(part["outputs"].float(), dim=-1)
        found.append(F.kl_div(own, pi_star, reduction="none", log_target=True).sum(dim=-1).cpu())
    return torch.cat(found)


def _encoded(network: NetHackNetwork, data: dict[str, Tensor]) -> Tensor:
    blocks = zip(*(torch.split(data[name], _ENCODE_AT_ONCE) for name in OBSERVATIONS), strict=True)
    return torch.cat([network.encode(dict(zip(OBSERVATIONS, block, strict=True))) for block in blocks])


def divergence_rows(network: NetHackNetwork, data: dict[str, Tensor], far_level: int) -> list[dict[str, Any]]:
    """One row per game and group: the mean over steps on level 1, or at ``far_level`` and deeper.

    A game without steps in a group has no row for it.
    """
    values, depth = divergence(network, data), data["depth"]
    game = data["starts"].bool().long().cumsum(0)
    game = game - game[:1]  # count from 0, even if the first step is not marked as a start
    rows = []
    groups = (("level_1", "close", depth == 1), (f"level_{far_level}", "far", depth >= far_level))
    for probe, group, chosen in groups:
        for number in sorted(set(game[chosen].tolist())):
            mean = float(values[chosen & (game == number)].mean())
            names = {"probe": probe, "group": group, "episode": number, "measure": MEASURE}
            rows.append(names | {"value": mean})
    return rows
