"""Endless batches of game sequences in a seeded order, resumable at any step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from fpc.core.errors import ConfigError, DataError
from fpc.core.seeds import rng_of
from fpc.domains.nethack.action_space import ACTION_COUNT
from fpc.domains.nethack.frames import Frames, Games, Reader, dungeon_depths

NO_GAME = -1
OBSERVATIONS = ("tty_chars", "tty_colors", "tty_cursor", "previous_action")


@dataclass(frozen=True)
class SequenceBatch:
    """``T`` consecutive steps of ``B`` streams, with the expert's actions."""

    observations: dict[str, Tensor]  # uint8 [T, B, ...], as from NetHackEnvironment
    actions: Tensor  # int64 [T, B]
    starts: Tensor  # bool [T, B]: a game begins here
    scores: Tensor  # int32 [T, B]: score before the action


class GameOrder:
    """Assigns games to streams: in a seeded order, each game once before any is read again.

    A stream that has finished its game takes the next one in the order.

    Raises:
        DataError: there are no games.
    """

    def __init__(self, games: Sequence[int], streams: int, seed: int) -> None:
        if not games:
            raise DataError("no games to read sequences from")
        self.games, self.seed = list(games), seed
        self.taken = 0  # games assigned to streams so far
        self.current = [NO_GAME] * streams
        self.read = [0] * streams  # steps each stream has read of its game

    def take(self, stream: int) -> int:
        """Assign the next game to a stream and return it."""
        epoch, index = divmod(self.taken, len(self.games))
        order = rng_of(self.seed, epoch).permutation(len(self.games))
        self.taken += 1
        self.current[stream], self.read[stream] = self.games[int(order[index])], 0
        return self.current[stream]

    def state_dict(self) -> dict[str, Tensor]:
        """The state for ``load_state_dict``, as int64 tensors."""
        values = {"taken": self.taken, "games": self.current, "read": self.read}
        return {name: torch.tensor(value) for name, value in values.items()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore a state from ``state_dict``.

        Raises:
            DataError: the state has another number of streams, or unknown games.
        """
        current = state["games"].tolist()
        if len(current) != len(self.current):
            raise DataError(f"the state has {len(current)} streams, not {len(self.current)}")
        if unknown := set(current) - {NO_GAME, *self.games}:
            raise DataError(f"the state has unknown games: {sorted(unknown)[:5]}")
        self.taken, self.current, self.read = int(state["taken"]), current, state["read"].tolist()


class GameStreams:
    """``streams`` parallel streams that read whole games in the order of GameOrder, endlessly.

    The first step of each game is marked, so that a recurrent state can be zeroed there.

    Raises:
        DataError: there are no games, or all are empty.
    """

    def __init__(self, source: Games, streams: int, sequence_length: int, seed: int) -> None:
        self.source, self.sequence_length = source, sequence_length
        self.order = GameOrder(source.games, streams, seed)
        self._readers: list[Reader | None] = [None] * streams

    def next(self) -> SequenceBatch:
        """The next ``sequence_length`` steps of every stream, in newly allocated tensors."""
        arrays = _empty_frames((self.sequence_length, len(self._readers)))
        for stream in range(len(self._readers)):
            self._read(stream, {name: array[:, stream] for name, array in arrays.items()})
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        observations = {name: tensors.pop(name) for name in OBSERVATIONS}
        return SequenceBatch(observations, **tensors)

    def state_dict(self) -> dict[str, Tensor]:
        """The state for ``load_state_dict``, as int64 tensors."""
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue exactly from ``state_dict``; only the current games are read again.

        Raises:
            DataError: the state has another number of streams, or unknown games.
        """
        self.order.load_state_dict(state)
        for stream, game in enumerate(self.order.current):
            reader = None if game == NO_GAME else self.source.open(game)
            self._readers[stream] = reader
            remaining = self.order.read[stream]
            while reader is not None and remaining > 0:
                count = len(reader.read(min(remaining, 256)))
                if not count:
                    raise DataError(f"game {game} has fewer steps than when the state was taken")
                remaining -= count

    def _read(self, stream: int, into: dict[str, np.ndarray]) -> None:
        filled, empty = 0, 0
        while filled < self.sequence_length:
            reader = self._readers[stream]
            if reader is None:
                reader = self._readers[stream] = self.source.open(self.order.take(stream))
            frames = reader.read(self.sequence_length - filled)
            count = len(frames)
            for name, array in into.items():
                array[filled : filled + count] = getattr(frames, name)
            filled += count
            self.order.read[stream] += count
            if filled < self.sequence_length:
                self._readers[stream] = None
                empty = 0 if count else empty + 1
            if empty > 2 * len(self.source.games):
                raise DataError(f"all {len(self.source.games)} games are without a single step")


def _empty_frames(shape: tuple[int, int]) -> dict[str, np.ndarray]:
    layouts: dict[str, tuple[tuple[int, ...], type]] = {
        "tty_chars": ((24, 80), np.uint8),
        "tty_colors": ((24, 80), np.uint8),
        "tty_cursor": ((2,), np.uint8),
        "previous_action": ((1,), np.uint8),
        "actions": ((), np.int64),
        "starts": ((), np.bool_),
        "scores": ((), np.int32),
    }
    return {name: np.empty((*shape, *inner), dtype) for name, (inner, dtype) in layouts.items()}


def bounds_of(starts: Tensor) -> list[tuple[int, int]]:
    """First index of each game and the index after its last; the first game may lack its mark.

    Args:
        starts: bool ``[N]``, True at the first step of each game.
    """
    return list(pairwise(sorted({0, *starts.nonzero().flatten().tolist(), len(starts)})))


@dataclass(frozen=True)
class LoadedGames:
    """Whole games in memory, at 3.9 KB per step."""

    frames: Frames  # all games, concatenated
    depths: np.ndarray  # uint8 [N]: dungeon level
    beginnings: Mapping[int, int]  # game -> index of its first step; in the order of the games
    ends: Mapping[int, int]  # game -> index after its last step

    @property
    def games(self) -> Sequence[int]:
        """Numbers of the games."""
        return tuple(self.beginnings)

    def __len__(self) -> int:
        return len(self.frames)

    def open(self, game: int) -> Reader:
        """Read a game from its first step."""
        return _MemoryReader(self.frames.part(self.beginnings[game], self.ends[game]))

    def selected(self, games: Sequence[int]) -> LoadedGames:
        """Only these games, in this order; shares the memory."""
        return LoadedGames(
            self.frames,
            self.depths,
            {game: self.beginnings[game] for game in games},
            {game: self.ends[game] for game in games},
        )


class _MemoryReader:
    def __init__(self, frames: Frames) -> None:
        self._frames, self._position = frames, 0

    def read(self, count: int) -> Frames:
        """The next ``count`` steps; fewer at the end of the game."""
        begin = self._position
        self._position = min(begin + count, len(self._frames))
        return self._frames.part(begin, self._position)


def read_game(source: Games, game: int) -> Frames:
    """Read a whole game.

    Raises:
        DataError: its recording cannot be read.
    """
    names = [field.name for field in fields(Frames)]
    parts = [
        Frames(*(getattr(frames, name).copy() for name in names)) for frames in _chunks(source.open(game))
    ]
    return Frames.joined(parts) if parts else source.open(game).read(0)


def count_steps(source: Games) -> dict[int, int]:
    """Number of steps of each game.

    Raises:
        DataError: a recording cannot be read.
    """
    return {game: sum(map(len, _chunks(source.open(game)))) for game in source.games}


def count_actions(source: Games) -> list[int]:
    """How often each of the 121 actions is taken over all games.

    Raises:
        DataError: a recording cannot be read.
    """
    counts = np.zeros(ACTION_COUNT, np.int64)
    for game in source.games:
        for frames in _chunks(source.open(game)):
            counts += np.bincount(frames.actions, minlength=ACTION_COUNT)
    return [int(count) for count in counts]


def _chunks(reader: Reader) -> Iterator[Frames]:
    while len(frames := reader.read(256)):
        yield frames


def load_all(source: Games, limit: int) -> LoadedGames:
    """Load whole games, in order, until the next would exceed ``limit`` steps; empty games are skipped.

    Raises:
        DataError: no game fits, or a recording cannot be read.
    """
    parts: list[dict[str, np.ndarray]] = []
    beginnings: dict[int, int] = {}
    ends: dict[int, int] = {}
    total = 0
    for game in source.games:
        frames = read_game(source, game)
        if total + len(frames) > limit:
            break
        if len(frames):
            beginnings[game], ends[game] = total, total + len(frames)
            parts.append({field.name: getattr(frames, field.name) for field in fields(frames)})
            total += len(frames)
    if not parts:
        raise ConfigError(f"no game fits within {limit} steps; allow more transitions")
    depths = np.concatenate([dungeon_depths(part["tty_chars"][:, -1]) for part in parts])
    # Field by field, so that memory holds at most one field twice.
    joined = {
        field.name: np.concatenate([part.pop(field.name) for part in parts]) for field in fields(Frames)
    }
    return LoadedGames(Frames(**joined), depths, beginnings, ends)
