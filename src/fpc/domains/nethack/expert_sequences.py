"""Sequences of expert games for retention methods: stored features, or raw observations.

Both classes read whole games in ``streams`` parallel streams, in the order of GameOrder, so that a
recurrent state can be carried from one batch to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fpc.core.errors import ConfigError, DataError
from fpc.core.files import read_tensors
from fpc.core.prefetch import Prefetched
from fpc.domains.finetuning import EXPERT
from fpc.domains.nethack.after_encoder import outputs_of_pi_star
from fpc.domains.nethack.frames import Games
from fpc.domains.nethack.games import NO_GAME, GameOrder, GameStreams, bounds_of, count_steps
from fpc.domains.nethack.sources import GAMES_FILE, read_game_list

STORED = ("features", "actions", "starts", "depth")


@dataclass(frozen=True)
class ExpertSequence:
    """``T`` consecutive steps of ``B`` games, with either observations or features."""

    starts: Tensor  # bool [T, B]: a game begins here
    observations: dict[str, Tensor] | None = None  # uint8 [T, B, ...]
    features: Tensor | None = None  # [T, B, hidden]: from pi*'s encoder, the LSTM's input
    outputs: Tensor | None = None  # [T, B, actions]: pi*'s log-probabilities, if computed
    actions: Tensor | None = None  # [T, B]: the expert's


def open_sequences(
    folder: str, streams: int, sequence_length: int, seed: int, limit: int | None = None, *, pi_star: str
) -> StoredSequences | StreamedSequences:
    """Open the expert sequences that ``collect`` wrote to ``folder``.

    pi*'s outputs on stored features are computed here, once: seconds for some ten thousand steps.

    Args:
        folder: the artifact of ``collect``.
        streams: games read in parallel, ``B``.
        sequence_length: steps of each game per batch, ``T``.
        seed: for the order of the games.
        limit: use only the first games, up to this many steps in total.
        pi_star: safetensors of pi*, whose encoder the features are from; read for stored ones only.

    Raises:
        DataError: the folder has no expert sequences, or they are unusable or do not fit pi*.
        ConfigError: the first game alone exceeds the limit.
    """
    stored, games = Path(folder) / EXPERT, Path(folder) / GAMES_FILE
    if stored.exists():
        tensors = _stored(stored)
        outputs = outputs_of_pi_star(Path(pi_star), tensors["features"], tensors["starts"], torch.float16)
        return StoredSequences(tensors | {"outputs": outputs}, streams, sequence_length, seed, limit)
    if not games.exists():
        raise DataError(f"{folder}: contains neither {EXPERT} nor {GAMES_FILE}; run collect again")
    recordings, _ = read_game_list(games)
    return StreamedSequences(recordings, streams, sequence_length, seed, limit)


def _stored(path: Path) -> dict[str, Tensor]:
    tensors = read_tensors(path)
    lengths = {name: len(tensors[name]) if name in tensors else 0 for name in STORED}
    if len(set(lengths.values())) != 1 or not lengths["starts"]:
        shown = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise DataError(f"{path} must hold equally long tensors, not {shown}; run collect again")
    return {name: tensors[name] for name in STORED}


class StoredSequences:
    """Sequences of features that ``collect`` stored, with pi*'s outputs.

    Args:
        tensors: ``features`` [N, hidden], ``outputs`` [N, actions] (pi*'s), ``actions`` [N] (the expert's),
            ``starts`` bool [N]; whole games, concatenated.
        streams: games read in parallel, ``B``.
        sequence_length: steps of each game per batch, ``T``.
        seed: for the order of the games.
        limit: use only the first games, up to this many steps in total.

    Raises:
        ConfigError: the first game alone exceeds the limit.
    """

    def __init__(
        self,
        tensors: Mapping[str, Tensor],
        streams: int,
        sequence_length: int,
        seed: int,
        limit: int | None = None,
    ) -> None:
        self.tensors, self.sequence_length = dict(tensors), sequence_length
        self._games = dict(enumerate(bounds_of(tensors["starts"])))
        steps = {game: end - begin for game, (begin, end) in self._games.items()}
        self.order = GameOrder(_within(steps, limit), streams, seed)

    def next(self) -> ExpertSequence:
        """The next ``T`` steps of each stream."""
        indices = torch.stack([self._indices(stream) for stream in range(len(self.order.current))], dim=1)
        names = ("starts", "features", "outputs", "actions")
        starts, features, outputs, actions = (self.tensors[name][indices] for name in names)
        return ExpertSequence(starts, features=features, outputs=outputs, actions=actions)

    def _indices(self, stream: int) -> Tensor:
        order, parts, remaining = self.order, [], self.sequence_length
        while remaining:
            game = order.current[stream]
            begin, end = self._games[game] if game != NO_GAME else (0, 0)
            begin += order.read[stream]
            count = min(remaining, end - begin)
            if count <= 0:
                order.take(stream)
                continue
            parts.append(torch.arange(begin, begin + count))
            order.read[stream] += count
            remaining -= count
        return torch.cat(parts)

    def state_dict(self) -> dict[str, Tensor]:
        """The position of each stream, as int64 tensors."""
        return self.order.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue exactly from ``state_dict``; raises DataError for a state of other data."""
        self.order.load_state_dict(state)


class StreamedSequences:
    """Sequences of raw observations, read from recordings ahead of use; the caller computes pi*'s outputs.

    Raises:
        ConfigError: the first game alone exceeds the limit.
    """

    def __init__(
        self, source: Games, streams: int, sequence_length: int, seed: int, limit: int | None = None
    ) -> None:
        if limit is not None:
            source = source.selected(_within(count_steps(source), limit))
        self.streams = Prefetched(GameStreams(source, streams, sequence_length, seed))

    def next(self) -> ExpertSequence:
        """The next ``T`` steps of each stream."""
        batch = self.streams.next()
        return ExpertSequence(batch.starts, batch.observations, actions=batch.actions)

    def state_dict(self) -> dict[str, Tensor]:
        """The position of each stream, as int64 tensors."""
        return self.streams.state_dict()

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue exactly from ``state_dict``; raises DataError for a state of other data."""
        self.streams.load_state_dict(state)


def _within(steps: Mapping[int, int], limit: int | None) -> list[int]:
    """The first games, up to ``limit`` steps in total."""
    games, total = [], 0
    for game, count in steps.items():
        total += count
        if limit is not None and total > limit:
            break
        games.append(game)
    if not games:
        first = next(iter(steps.values()), 0)
        raise ConfigError(f"memory_size is {limit}, but the expert's first game has {first} steps; raise it")
    return games
