"""Chooses where to search for hidden doors and corridors."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter

from fpc.domains.nethack.expert.glyphs import Kind
from fpc.domains.nethack.expert.grid import COLUMNS, ROWS, Cell, Search, cells, mask_of
from fpc.domains.nethack.expert.level import Level

_WINDOW = 13  # side of the window, in cells, in which unseen cells make a search worthwhile


def cell_to_search(level: Level, search: Search) -> Cell | None:
    """The reachable cell with the best chance of a hidden passage for its distance; None if there is none.

    ``search`` has visited all reachable cells. Dead ends of corridors and doors that lead nowhere score
    highest, then cells beside a wall with much unseen space behind it; every earlier search within two
    cells lowers the score.
    """
    terrain = level.terrain
    unseen = terrain == Kind.BLANK
    dark = uniform_filter(unseen[1:].astype(np.float32), _WINDOW, mode="constant")
    dark = np.vstack([np.zeros((1, COLUMNS), np.float32), dark])
    solid = (terrain == Kind.WALL) | unseen
    walls = _sum_of_neighbours(solid.astype(np.float32))
    ground = mask_of(level.ground | level.boulders | level.traps)
    dead_end = (terrain == Kind.CORRIDOR) & (_sum_of_neighbours(ground.astype(np.float32)) <= 1)
    dead_end |= _leads_nowhere(ground, terrain == Kind.WALL)
    value = 10.0 * dark + 6.0 * dead_end
    value[walls == 0] = -np.inf
    for cell, times in level.searched.items():
        row, column = divmod(cell, COLUMNS + 1)
        for radius, penalty in ((1, 3.0), (2, 1.5)):
            rows = slice(max(0, row - radius), row + radius + 1)
            value[rows, max(0, column - radius) : column + radius + 1] -= penalty * times
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


def _sum_of_neighbours(mask: np.ndarray) -> np.ndarray:
    """Sum of the eight neighbours of each cell."""
    padded = np.pad(mask, 1)
    total = sum(
        padded[1 + down : 1 + down + ROWS, 1 + right : 1 + right + COLUMNS]
        for down in (-1, 0, 1)
        for right in (-1, 0, 1)
        if (down, right) != (0, 0)
    )
    return np.asarray(total)


def _leads_nowhere(ground: np.ndarray, walls: np.ndarray) -> np.ndarray:
    """Doorways (ground between two walls) with ground on one side only."""
    above, below, left, right = _sides(ground)
    wall_above, wall_below, wall_left, wall_right = _sides(walls)
    found: np.ndarray = ground & (
        (wall_above & wall_below & (left ^ right)) | (wall_left & wall_right & (above ^ below))
    )
    return found


def _sides(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The mask's values above, below, left and right of each cell."""
    padded = np.pad(mask, 1)
    return padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:]
