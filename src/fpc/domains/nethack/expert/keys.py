"""Keys the player presses, and directions on the map."""

from __future__ import annotations

from typing import Final

MORE: Final = 13
ESCAPE: Final = 27
KICK: Final = 4
PRAY: Final = 0x80 | ord("p")

DIRECTIONS: Final[dict[tuple[int, int], int]] = {
    (-1, 0): ord("k"),
    (0, 1): ord("l"),
    (1, 0): ord("j"),
    (0, -1): ord("h"),
    (-1, 1): ord("u"),
    (1, 1): ord("n"),
    (1, -1): ord("b"),
    (-1, -1): ord("y"),
}
"""(rows down, columns right) -> key that moves in that direction."""


def keys(text: str) -> list[int]:
    """Key codes of plain characters."""
    return [ord(character) for character in text]
