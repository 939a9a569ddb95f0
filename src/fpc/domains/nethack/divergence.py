"""Kullback-Leibler divergence of a policy from pi* on the expert's games."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
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
_STEPS_AT_ONCE = 64  # of each game; bounds memory, as the recurrent state is carried over


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


def games_in(data: dict[str, Tensor], limit: int | None = None) -> list[tuple[int, int]]:
    """First index of each game and the index after its last, or after its first ``limit`` steps.

    The first game may lack its mark.
    """
    starts = data["starts"].bool()
    games = pairwise(sorted({0, *starts.nonzero().flatten().tolist(), len(starts)}))
    return [(begin, end if limit is None else min(end, begin + limit)) for begin, end in games]


@torch.inference_mode()
def divergence(
    network: NetHackNetwork,
    data: dict[str, Tensor],
    limit: int | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Tensor:
    """KL(pi* || policy) in nats at each step, float32 [N]; all games are walked side by side.

    Args:
        network: left in eval mode.
        data: see ``read_divergence_data``.
        limit: number of steps of each game that are walked; NaN at the others. None: all.
        alive: called now and then, to show that the walk goes on.
    """
    network.eval()
    found = torch.full((len(data["starts"]),), torch.nan)
    games = games_in(data, limit)
    state = network.initial_state(len(games))
    while games:
        parts = [slice(begin, min(begin + _STEPS_AT_ONCE, end)) for begin, end in games]
        features = torch.split(_features(network, data, parts), [part.stop - part.start for part in parts])
        padded = torch.nn.utils.rnn.pad_sequence(list(features))
        starts = padded.new_zeros(padded.shape[:2], dtype=torch.bool)  # the initial state is already zero
        outputs, state = unroll(network.core, padded, starts, state)
        own = F.log_softmax(network.policy(outputs), dim=-1)
        for row, part in enumerate(parts):
            pi_star = F.log_softmax(data["outputs"][part].to(own.device).float(), dim=-1)
            of_game = own[: part.stop - part.start, row]
            found[part] = F.kl_div(of_game, pi_star, reduction="none", log_target=True).sum(dim=-1).cpu()
        left = [row for row, (part, (_, end)) in enumerate(zip(parts, games, strict=True)) if part.stop < end]
        games = [(parts[row].stop, games[row][1]) for row in left]
        state = state[left]
        alive()
    return found


def _features(network: NetHackNetwork, data: dict[str, Tensor], parts: list[slice]) -> Tensor:
    """The LSTM's inputs at these steps, one part after the other."""
    device = network.policy.weight.device
    if "features" in data:
        return torch.cat([data["features"][part] for part in parts]).to(device).float()
    seen = {name: torch.cat([data[name][part] for part in parts]).to(device) for name in OBSERVATIONS}
    return network.encode(seen)


def divergence_rows(
    data: dict[str, Tensor], values: Tensor, far_level: int, limit: int | None = None
) -> list[dict[str, Any]]:
    """One row per game and group: the mean over steps on level 1, or at ``far_level`` and deeper.

    A game without walked steps in a group has no row for it.

    Args:
        data: see ``read_divergence_data``.
        values: the divergence at each step, float32 [N].
        far_level: the Far group's least depth.
        limit: as for ``divergence``.
    """
    rows = []
    for number, (begin, end) in enumerate(games_in(data, limit)):
        depth, of_game = data["depth"][begin:end], values[begin:end]
        groups = (("level_1", "close", depth == 1), (f"level_{far_level}", "far", depth >= far_level))
        for probe, group, chosen in groups:
            if chosen.any():
                names = {"probe": probe, "group": group, "episode": number, "measure": MEASURE}
                rows.append(names | {"value": float(of_game[chosen].mean())})
    return sorted(rows, key=lambda row: str(row["group"]))
