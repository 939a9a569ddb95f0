"""Runs a network over whole recorded games: its outputs at each step of another player's game."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from fpc.domains.nethack.after_encoder import next_steps
from fpc.domains.nethack.frames import Frames, Games, Reader, dungeon_depths
from fpc.domains.nethack.games import OBSERVATIONS
from fpc.domains.nethack.network import NetHackNetwork


@dataclass(frozen=True)
class GameOutputs:
    """Outputs of a network for the ``N`` steps of one game."""

    features: Tensor  # [N, hidden]: the LSTM's input
    logits: Tensor  # [N, actions]
    actions: Tensor  # int64 [N]: the player's
    starts: Tensor  # bool [N]
    depths: Tensor  # uint8 [N]: dungeon level

    @classmethod
    def joined(cls, parts: Sequence[GameOutputs]) -> GameOutputs:
        """The concatenation of several parts."""
        return cls(*(torch.cat([getattr(part, field.name) for part in parts]) for field in fields(cls)))


class _Slot:
    def __init__(self, game: int, reader: Reader, state: Tensor) -> None:
        self.game, self.reader, self.state = game, reader, state
        self.depth = 1
        self.parts: list[GameOutputs] = []
        self.over = False


@torch.no_grad()
def replay_games(
    network: NetHackNetwork,
    source: Games,
    *,
    width: int = 16,
    length: int = 32,
    features_dtype: torch.dtype = torch.float32,
) -> Iterator[tuple[int, GameOutputs]]:
    """Run a network over all games, ``width`` games in parallel, ``length`` steps at a time.

    Batch normalisation uses its running statistics. Empty games are skipped. Features are rounded to
    ``features_dtype`` before the LSTM, so that a student that reads the stored features gets exactly these
    logits.

    Returns:
        (game, outputs) in the order of ``source.games``.

    Raises:
        ValueError: a recording cannot be read.
    """
    training = network.training
    network.eval()
    try:
        waiting = iter(source.games)
        slots: list[_Slot] = []
        finished: dict[int, GameOutputs | None] = {}
        order = list(source.games)
        while order:
            while len(slots) < width and (game := next(waiting, None)) is not None:
                slots.append(_Slot(game, source.open(game), network.initial_state(1)))
            _advance(network, slots, length, features_dtype)
            for slot in [slot for slot in slots if slot.over]:
                finished[slot.game] = GameOutputs.joined(slot.parts) if slot.parts else None
                slots.remove(slot)
            while order and order[0] in finished:
                outputs = finished.pop(order[0])
                if outputs is not None:
                    yield order[0], outputs
                order.pop(0)
    finally:
        network.train(training)


def _advance(network: NetHackNetwork, slots: list[_Slot], length: int, features_dtype: torch.dtype) -> None:
    """Process the next steps of every slot's game."""
    parts = [slot.reader.read(length) for slot in slots]
    for slot, part in zip(slots, parts, strict=True):
        slot.over = len(part) < length
    read = [(slot, part) for slot, part in zip(slots, parts, strict=True) if len(part)]
    if not read:
        return
    counts = [len(part) for _, part in read]
    observations = {
        name: torch.from_numpy(np.concatenate([getattr(part, name) for _, part in read]))
        for name in OBSERVATIONS
    }
    device = network.device
    features = network.encode({name: value.to(device) for name, value in observations.items()})
    features_by_game = torch.split(features.to(features_dtype), counts)
    starts = [torch.tensor(part.starts) for _, part in read]
    state = torch.cat([slot.state for slot, _ in read])
    logits, state = next_steps(network, features_by_game, starts, state)
    for index, (slot, part) in enumerate(read):
        slot.state = state[index : index + 1]
        slot.parts.append(_outputs_of(slot, part, features_by_game[index], logits[index]))


def _outputs_of(slot: _Slot, part: Frames, features: Tensor, logits: Tensor) -> GameOutputs:
    depths = dungeon_depths(part.tty_chars[:, -1], slot.depth)
    slot.depth = int(depths[-1])
    return GameOutputs(
        features.cpu(),
        logits.cpu().clone(),
        torch.tensor(part.actions),
        torch.tensor(part.starts),
        torch.from_numpy(depths),
    )
