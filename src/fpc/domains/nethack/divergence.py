"""Kullback-Leibler divergence of a policy from pi* on the expert's games."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from fpc.core.errors import DataError
from fpc.core.files import read_tensors
from fpc.domains.evaluation import has_weights
from fpc.domains.nethack.after_encoder import outputs_of_pi_star, walk
from fpc.domains.nethack.games import bounds_of
from fpc.domains.nethack.network import NetHackNetwork

OBSERVATIONS = ("tty_chars", "tty_colors", "tty_cursor", "previous_action")
MEASURE = "kl_divergence"
_ENCODE_AT_ONCE = 1024


def read_divergence_data(path: Path) -> dict[str, Tensor]:
    """Read the expert games reserved for the divergence, concatenated.

    Returns:
        starts bool [N] (first steps of games), depth uint8 [N], and either features float [N, H] of pi*'s
        encoder, or the four observations uint8 [N, ...] and outputs float [N, actions] (pi*'s
        log-probabilities).

    Raises:
        DataError: a tensor is missing, or the lengths differ.
    """
    tensors = read_tensors(path)
    inputs = (*OBSERVATIONS, "outputs") if OBSERVATIONS[0] in tensors else ("features",)
    needed = ("starts", "depth", *inputs)
    missing = [name for name in needed if name not in tensors]
    if missing:
        raise DataError(f"{path}: missing tensor {', '.join(missing)}; run collect again")
    if len({len(tensors[name]) for name in needed}) != 1:
        lengths = ", ".join(f"{name} {len(tensors[name])}" for name in needed)
        raise DataError(f"{path}: tensors must have one row per step, not {lengths}; run collect again")
    return {name: tensors[name] for name in needed}


def same_encoder(network: NetHackNetwork, other: NetHackNetwork) -> bool:
    """Whether both have the same weights and batch-normalisation statistics before the LSTM."""
    after = ("core.", "policy.", "baseline.")
    encoder = {name: value for name, value in other.state_dict().items() if not name.startswith(after)}
    return has_weights(network.state_dict(), encoder)


def shortened(data: Mapping[str, Tensor], limit: int | None) -> dict[str, Tensor]:
    """The first ``limit`` steps of each game; None: all."""
    if limit is None:
        return dict(data)
    games = bounds_of(data["starts"])
    kept = torch.cat([torch.arange(begin, min(end, begin + limit)) for begin, end in games])
    return {name: value[kept] for name, value in data.items()}


def with_outputs(data: Mapping[str, Tensor], pi_star: Path) -> dict[str, Tensor]:
    """The data with ``outputs``: pi*'s log-probabilities, float32 [N, actions], computed from its features.

    Args:
        data: see ``read_divergence_data``; outputs that are there stay as they are.
        pi_star: its safetensors.

    Raises:
        DataError: the features have another size than pi*'s LSTM takes.
    """
    if "outputs" in data:
        return dict(data)
    return {**data, "outputs": outputs_of_pi_star(pi_star, data["features"], data["starts"])}


@torch.inference_mode()
def with_features(
    network: NetHackNetwork, data: Mapping[str, Tensor], alive: Callable[[], None] = lambda: None
) -> dict[str, Tensor]:
    """The data with features of the network's encoder, float32 [N, hidden] on the CPU, for observations.

    Args:
        network: left in eval mode.
        data: see ``read_divergence_data``.
        alive: called now and then, to show that the work goes on.
    """
    network.eval()
    device, found = network.device, []
    for begin in range(0, len(data["starts"]), _ENCODE_AT_ONCE):
        seen = {name: data[name][begin : begin + _ENCODE_AT_ONCE].to(device) for name in OBSERVATIONS}
        found.append(network.encode(seen).cpu())
        alive()
    others = {name: value for name, value in data.items() if name not in OBSERVATIONS}
    return others | {"features": torch.cat(found)}


@torch.inference_mode()
def divergence(
    network: NetHackNetwork, data: Mapping[str, Tensor], alive: Callable[[], None] = lambda: None
) -> Tensor:
    """KL(pi* || policy) in nats at each step, float32 [N], on the CPU.

    Args:
        network: left in eval mode.
        data: see ``read_divergence_data``, with features and outputs.
        alive: called now and then, to show that the walk goes on.
    """
    network.eval()
    found = torch.zeros(len(data["starts"]))
    for part, own in walk(network, data["features"], data["starts"], alive):
        pi_star = F.log_softmax(data["outputs"][part].to(own.device).float(), dim=-1)
        found[part] = F.kl_div(own, pi_star, reduction="none", log_target=True).sum(dim=-1).cpu()
    return found


def divergence_rows(data: Mapping[str, Tensor], values: Tensor, far_level: int) -> list[dict[str, Any]]:
    """One row per game and group: the mean over steps on level 1, or at ``far_level`` and deeper.

    A game without steps in a group has no row for it.

    Args:
        data: see ``read_divergence_data``.
        values: the divergence at each step, float32 [N].
        far_level: the Far group's least depth.
    """
    rows = []
    for number, (begin, end) in enumerate(bounds_of(data["starts"])):
        depth, of_game = data["depth"][begin:end], values[begin:end]
        groups = (("level_1", "close", depth == 1), (f"level_{far_level}", "far", depth >= far_level))
        for probe, group, chosen in groups:
            if chosen.any():
                names = {"probe": probe, "group": group, "episode": number, "measure": MEASURE}
                rows.append(names | {"value": float(of_game[chosen].mean())})
    return sorted(rows, key=lambda row: str(row["group"]))


class Divergence:
    """Measures networks on the same games; encodes observations again only for another encoder.

    Args:
        data: see ``read_divergence_data``, with outputs.
        far_level: the Far group's least depth.
    """

    def __init__(self, data: dict[str, Tensor], far_level: int) -> None:
        self.data, self.far_level = data, far_level
        self.games = len(bounds_of(data["starts"]))
        self._encoded: tuple[NetHackNetwork, dict[str, Tensor]] | None = None

    @property
    def needs_encoder_of_pi_star(self) -> bool:
        """Whether the data are features of pi*'s encoder, which are those of no other."""
        return "features" in self.data

    def rows(self, network: NetHackNetwork, alive: Callable[[], None]) -> list[dict[str, Any]]:
        """See ``divergence_rows``; ``alive`` is called now and then, to show that the work goes on."""
        data = self.data if self.needs_encoder_of_pi_star else self._features(network, alive)
        return divergence_rows(data, divergence(network, data, alive), self.far_level)

    def _features(self, network: NetHackNetwork, alive: Callable[[], None]) -> dict[str, Tensor]:
        if self._encoded is None or not same_encoder(network, self._encoded[0]):
            self._encoded = (network, with_features(network, self.data, alive))
        return self._encoded[1]
