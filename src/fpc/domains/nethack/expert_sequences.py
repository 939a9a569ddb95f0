"""Sequences of the expert's games for retention methods: with pi*'s stored outputs, or raw from recordings.

Both kinds read whole games in ``streams`` streams, in the order of GameOrder, so that a recurrent state
can be carried from one batch to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from fpc.core.files import read_tensors
from fpc.domains.nethack.frames import Games
from fpc.domains.nethack.games import NO_GAME, GameOrder, GameStreams, count_steps
from fpc.domains.nethack.sources import GAMES_FILE, read_game_list

STORED_FILE = "expert.safetensors"
STORED = ("features", "outputs", "starts", "depth")


@dataclass(frozen=True)
class ExpertSequence:
    """``T`` consecutive steps of ``B`` games; either observations or features are there."""

    starts: Tensor  # bool [T, B]: a game begins here
    observations: dict[str, Tensor] | None = None  # uint8 [T, B, ...]
    features: Tensor | None = None  # [T, B, hidden]: of pi*'s encoder, the LSTM's input
    outputs: Tensor | None = None  # [T, B, actions]: log-probabilities of pi*; None: not stored


def open_sequences(
    folder: str, streams: int, sequence_length: int, seed: int, limit: int | None = None
) -> StoredSequences | StreamedSequences:
    """Sequences of what ``collect`` left in ``folder``.

    Args:
        folder: artifact of ``collect``.
        streams: games side by side, ``B``.
        sequence_length: steps of each a batch, ``T``.
        seed: of the order of the games.
        limit: use only the first games, as many as have this many steps together.

    Raises:
        ValueError: the folder holds neither kind, or not one game is within the limit.
    """
    stored, games = Path(folder) / STORED_FILE, Path(folder) / GAMES_FILE
    if stored.exists():
        return StoredSequences(read_tensors(stored), streams, sequence_length, seed, limit)
    if not games.exists():
        raise ValueError(f"{folder}: neither {STORED_FILE} nor {GAMES_FILE} is there; run collect again")
    recordings, _ = read_game_list(games)
    return StreamedSequences(recordings, streams, sequence_length, seed, limit)


class StoredSequences:
    """Sequences of features and pi*'s outputs that ``collect`` stored.

    Args:
        tensors: ``features`` [N, hidden], ``outputs`` [N, actions], ``starts`` bool [N], ``depth`` [N];
            whole games, one after the other.
        streams: games side by side, ``B``.
        sequence_length: steps of each a batch, ``T``.
        seed: of the order of the games.
        limit: use only the first games, as many as have this many steps together.

    Raises:
        ValueError: a tensor is missing, lengths differ, or not one game is within the limit.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        streams: int,
        sequence_length: int,
        seed: int,
        limit: int | None = None,
    ) -> None:
        lengths = {name: len(tensors[name]) if name in tensors else 0 for name in STORED}
        if len(set(lengths.values())) != 1 or not lengths["starts"]:
            shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise ValueError(f"{STORED_FILE} must hold equally many steps of {shown}; run collect again")
        self.tensors, self.sequence_length = dict(tensors), sequence_length
        beginnings = sorted({0, *tensors["starts"].nonzero().flatten().tolist(), lengths["starts"]})
        self._games = dict(enumerate(pairwise(beginnings)))
        steps = {game: end - begin for game, (begin, end) in self._games.items()}
        self.order = GameOrder(_within(steps, limit), streams, seed)

    def next(self) -> ExpertSequence:
        """The next ``T`` steps of every stream."""
        places = torch.stack([self._places(stream) for stream in range(len(self.order.current))], dim=1)
        starts, features, outputs = (self.tensors[name][places] for name in ("starts", "features", "outputs"))
        return ExpertSequence(starts, features=features, outputs=outputs)

    def _places(self, stream: int) -> Tensor:
        order, parts, missing = self.order, [], self.sequence_length
        while missing:
            game = order.current[stream]
            begin, end = self._games[game] if game != NO_GAME else (0, 0)
            begin += order.read[stream]
            count = min(missing, end - begin)
            if count <= 0:
                order.take(stream)
                continue
            parts.append(torch.arange(begin, begin + count))
            order.read[stream] += count
            missing -= count
        return torch.cat(parts)

    def state_dict(self) -> dict[str, Tensor]:
        """Where every stream stands: int64 tensors."""
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on exactly where ``state_dict`` was taken; raises ValueError for a state of other data."""
        self.order.load_state_dict(state)


class StreamedSequences:
    """Sequences of raw observations, read from recordings; pi*'s outputs are left to the caller.

    Raises:
        ValueError: not one game is within the limit.
    """

    def __init__(
        self, source: Games, streams: int, sequence_length: int, seed: int, limit: int | None = None
    ) -> None:
        if limit is not None:
            source = source.selected(_within(count_steps(source), limit))
        self.streams = GameStreams(source, streams, sequence_length, seed)

    def next(self) -> ExpertSequence:
        """The next ``T`` steps of every stream."""
        batch = self.streams.next()
        return ExpertSequence(batch.starts, batch.observations)

    def state_dict(self) -> dict[str, Tensor]:
        """Where every stream stands: int64 tensors."""
        return self.streams.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on exactly where ``state_dict`` was taken; raises ValueError for a state of other data."""
        self.streams.load_state_dict(state)


def _within(steps: Mapping[int, int], limit: int | None) -> list[int]:
    """The first games that have at most ``limit`` steps together."""
    games, total = [], 0
    for game, count in steps.items():
        total += count
        if limit is not None and total > limit:
            break
        games.append(game)
    if not games:
        first = next(iter(steps.values()), 0)
        raise ValueError(
            f"memory_size {limit} is less than the expert's first game of {first} steps; raise it"
        )
    return games
