"""Where to search for hidden doors and corridors."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

from fpc.domains.nethack.expert.glyphs import Kind
from fpc.domains.nethack.expert.grid import COLUMNS, ROWS, Cell, Search, cells, mask_of
from fpc.domains.nethack.expert.level import Level

_WINDOW = 13  # cells around a place whose darkness makes it worth a search


def place_to_search(level: Level, search: Search) -> Cell | None:
    """The reachable cell where a hidden passage is likeliest for the walk, or None if there is none.

    ``search`` has visited all that can be reached. A dead end of a corridor is best; else a cell beside
    a wall with much unseen space behind it; each search made within two cells of a place lowers it.
    """
    terrain = level.terrain
    unseen = terrain == Kind.BLANK
    dark = uniform_filter(unseen[1:].astype(np.float32), _WINDOW, mode="constant")
    dark = np.vstack([np.zeros((1, COLUMNS), np.float32), dark])
    solid = (terrain == Kind.WALL) | unseen
    walls = _neighbours(solid.astype(np.float32))
    open_ground = _neighbours(mask_of(level.ground | level.boulders | level.traps).astype(np.float32))
    dead_end = (terrain == Kind.CORRIDOR) & (open_ground <= 1)
    value = 10.0 * dark + 6.0 * dead_end
    value[walls == 0] = -np.inf
    for cell, times in level.searched.items():
        row, column = divmod(cell, COLUMNS + 1)
        value[max(0, row - 2) : row + 3, max(0, column - 2) : column + 3] -= 2.5 * times
    distance = np.full((ROWS, COLUMNS), np.inf, dtype=np.float32)
    for number, layer in enumerate(search.layers):
        for cell in cells(layer):
            distance[divmod(cell, COLUMNS + 1)] = number
    value -= 0.12 * distance
    best = int(np.argmax(value))
    if not np.isfinite(value.flat[best]):
        return None
    row, column = divmod(best, COLUMNS)
    return row * (COLUMNS + 1) + column


def _neighbours(mask: np.ndarray) -> np.ndarray:
    """Sum of the eight neighbours of each cell."""
    padded = np.pad(mask, 1)
    total = sum(
        padded[1 + down : 1 + down + ROWS, 1 + right : 1 + right + COLUMNS]
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        if (down, right) != (0, 0)
    )
    return np.asarray(total)
