"""Recorded steps of games: what a policy would observe, and the player's actions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

ROWS, COLUMNS = 24, 80


@dataclass(frozen=True)
class Frames:
    """Consecutive steps of one game."""

    tty_chars: np.ndarray  # uint8 [N, 24, 80]
    tty_colors: np.ndarray  # uint8 [N, 24, 80]
    tty_cursor: np.ndarray  # uint8 [N, 2]: row, column
    previous_action: np.ndarray  # uint8 [N, 1]
    actions: np.ndarray  # int64 [N]
    starts: np.ndarray  # bool [N]: a game begins here
    scores: np.ndarray  # int32 [N]: the score before the action

    def __len__(self) -> int:
        return len(self.actions)

    def part(self, begin: int, end: int) -> Frames:
        """Steps ``begin`` to ``end`` (exclusive), without copying."""
        return Frames(*(getattr(self, field.name)[begin:end] for field in fields(self)))

    @classmethod
    def joined(cls, parts: Sequence[Frames]) -> Frames:
        """The concatenation of several parts."""
        return cls(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)))


class Reader(Protocol):
    """Reads one game sequentially from its first step."""

    def read(self, count: int) -> Frames:
        """The next ``count`` steps; fewer, or none, at the end of the game. Valid until the next call."""
        ...


class Games(Protocol):
    """A collection of games; each can be read any number of times."""

    @property
    def games(self) -> Sequence[int]:
        """Numbers of the games."""
        ...

    def open(self, game: int) -> Reader:
        """Read a game from its first step."""
        ...

    def selected(self, games: Sequence[int]) -> Games:
        """Only these games, in this order."""
        ...


def dungeon_depths(bottom_lines: np.ndarray, before: int = 1) -> np.ndarray:
    """Depth of each frame, uint8 [N], read from `Dlvl:<n>` in the last line, uint8 [N, 80].

    Where the line does not show it (a menu, a special level's name), the depth of the previous frame is
    used; ``before`` is the depth of the frame before the first.
    """
    shown = (bottom_lines[:, :5] == np.frombuffer(b"Dlvl:", dtype=np.uint8)).all(axis=1)
    digits = bottom_lines[:, 5:7].astype(np.int64) - ord("0")
    two = (digits[:, 1] >= 0) & (digits[:, 1] <= 9)
    depths = np.where(two, 10 * digits[:, 0] + digits[:, 1], digits[:, 0])
    indices = np.maximum.accumulate(np.where(shown, np.arange(len(depths)) + 1, 0))
    found: np.ndarray = np.concatenate([[before], depths])[indices].astype(np.uint8)
    return found
