"""What the glyphs on the map mean to the player: maps each of NetHack's glyphs to a ``Kind``."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numpy as np
from nle import nethack


class Kind(IntEnum):
    """Kinds of cells; those from OBJECT onwards are on top of the ground and hide it."""

    BLANK = 0
    WALL = 1
    FLOOR = 2
    CORRIDOR = 3
    OPEN_DOOR = 4
    CLOSED_DOOR = 5
    DOWN = 6
    UP = 7
    WATER = 8
    TRAP = 9
    HOLE = 10
    BOULDER = 11
    OBJECT = 12
    MONSTER = 13
    PET = 14
    PASSIVE = 15
    INVISIBLE = 16
    SWALLOWED = 17
    OTHER = 18


PASSIVE_MONSTERS: Final = frozenset(
    {
        "floating eye", "gas spore", "blue jelly", "spotted jelly", "brown mold", "yellow mold",
        "green mold", "red mold", "cockatrice", "chickatrice", "gelatinous cube",
    }
)  # fmt: skip
"""Slow or stationary monsters that harm whoever hits them bare-handed."""

PEACEFUL_MONSTERS: Final = frozenset({"shopkeeper", "guard", "watchman", "watch captain", "aligned priest"})

_CMAP: Final[dict[Kind, tuple[int, ...]]] = {
    Kind.WALL: (*range(1, 12), 17, 18, *range(35, 37)),
    Kind.FLOOR: (12, 19, 20, 27, 28, 29, 30, 31, 33),
    Kind.CORRIDOR: (21, 22),
    Kind.OPEN_DOOR: (13, 14),
    Kind.CLOSED_DOOR: (15, 16),
    Kind.DOWN: (24, 26),
    Kind.UP: (23, 25),
    Kind.WATER: (32, 34, 37, 38, 39, 40, 41),
    Kind.TRAP: tuple(range(42, 65)),
    Kind.HOLE: (54, 55),
}


def _kind_of_monster(glyph: int) -> Kind:
    if nethack.glyph_is_pet(glyph):
        return Kind.PET
    name = nethack.permonst(nethack.glyph_to_mon(glyph)).mname
    if name in PASSIVE_MONSTERS or name in PEACEFUL_MONSTERS:
        return Kind.PASSIVE
    return Kind.MONSTER


def _kinds() -> np.ndarray:
    table = np.full(nethack.MAX_GLYPH + 1, Kind.OTHER, dtype=np.uint8)
    for glyph in range(nethack.MAX_GLYPH):
        if nethack.glyph_is_monster(glyph):
            table[glyph] = _kind_of_monster(glyph)
        elif nethack.glyph_is_swallow(glyph):
            table[glyph] = Kind.SWALLOWED
        elif nethack.glyph_is_invisible(glyph):
            table[glyph] = Kind.INVISIBLE
        elif nethack.glyph_is_object(glyph) or nethack.glyph_is_body(glyph) or nethack.glyph_is_statue(glyph):
            table[glyph] = Kind.OBJECT
    table[nethack.GLYPH_CMAP_OFF] = Kind.BLANK
    table[nethack.GLYPH_OBJ_OFF + BOULDER_OBJECT] = Kind.BOULDER
    for kind, symbols in _CMAP.items():
        for symbol in symbols:
            table[nethack.GLYPH_CMAP_OFF + symbol] = kind
    return table


def _boulder() -> int:
    for number in range(nethack.NUM_OBJECTS):
        if nethack.OBJ_NAME(nethack.objclass(number)) == "boulder":
            return number
    raise RuntimeError("NetHack has no object called boulder")


BOULDER_OBJECT: Final = _boulder()
KIND_OF_GLYPH: Final[np.ndarray] = _kinds()
"""uint8 [MAX_GLYPH + 1]: the ``Kind`` of each glyph."""

WALKABLE: Final[np.ndarray] = np.isin(
    np.arange(len(Kind)), [Kind.FLOOR, Kind.CORRIDOR, Kind.OPEN_DOOR, Kind.CLOSED_DOOR, Kind.DOWN, Kind.UP]
)
"""bool [kinds]: ground that is safe to enter."""

WATCH_GLYPHS: Final[list[int]] = [
    nethack.GLYPH_MON_OFF + number
    for number in range(nethack.NUMMONS)
    if nethack.permonst(number).mname in ("watchman", "watch captain")
]
