"""Shortest paths on NetHack's map, with maps represented as Python integers (one bit per cell).

Bit ``row * 80 + column`` is a cell of the 21 x 79 map; the unused 80th column keeps shifts from wrapping
around. A step of breadth-first search is then a few shifts of 210 bytes.
"""

from __future__ import annotations

from typing import Final

import numpy as np

ROWS: Final = 21
COLUMNS: Final = 79
WIDTH: Final = 80
CELLS: Final = ROWS * WIDTH
INSIDE: Final = sum(((1 << COLUMNS) - 1) << (row * WIDTH) for row in range(1, ROWS))
"""Every cell of the map; row 0 is never used."""

Cell = int
"""``row * 80 + column``."""


def plane(mask: np.ndarray) -> int:
    """The integer of a bool array [21, 79]."""
    padded = np.zeros((ROWS, WIDTH), dtype=bool)
    padded[:, :COLUMNS] = mask
    return int.from_bytes(np.packbits(padded, bitorder="little").tobytes(), "little")


def mask_of(bits: int) -> np.ndarray:
    """The bool array [21, 79] of an integer."""
    data = np.frombuffer(bits.to_bytes(CELLS // 8, "little"), dtype=np.uint8)
    return np.unpackbits(data, bitorder="little").reshape(ROWS, WIDTH)[:, :COLUMNS].astype(bool)


def orthogonal_neighbours(bits: int) -> int:
    """Orthogonal neighbours of these cells."""
    return (bits << 1 | bits >> 1 | bits << WIDTH | bits >> WIDTH) & INSIDE


def diagonal_neighbours(bits: int) -> int:
    """Diagonal neighbours of these cells."""
    return (bits << 79 | bits << 81 | bits >> 79 | bits >> 81) & INSIDE


def neighbours(bits: int) -> int:
    """All eight neighbours of these cells."""
    return orthogonal_neighbours(bits) | diagonal_neighbours(bits)


def cells(bits: int) -> list[Cell]:
    """The cells of a plane, in ascending order."""
    found = []
    while bits:
        low = bits & -bits
        found.append(low.bit_length() - 1)
        bits ^= low
    return found


class Search:
    """Breadth-first search from one cell: layers of cells at distance 0, 1, 2, ...

    ``doors`` are cells that cannot be entered or left diagonally. The search stops at the first layer that
    contains one of ``targets``; without targets it visits all reachable cells.
    """

    def __init__(self, start: Cell, passable: int, doors: int, targets: int = 0) -> None:
        self.doors = doors
        self.layers = [1 << start]
        self.found = targets & self.layers[0]
        fresh, reached, open_cells = 1 << start, 1 << start, passable & ~doors
        while fresh and not self.found:
            following = orthogonal_neighbours(fresh) & passable
            following |= diagonal_neighbours(fresh & ~doors) & open_cells
            fresh = following & ~reached
            reached |= fresh
            self.layers.append(fresh)
            self.found = targets & fresh
        self.reached = reached

    def path(self, target: Cell | None = None) -> list[Cell]:
        """Cells from the first step to ``target`` (by default the target found); empty if already there.

        Prefers orthogonal steps and keeping the same direction.
        """
        bit = self.found & -self.found if target is None else 1 << target
        depth = next(number for number, layer in enumerate(self.layers) if layer & bit)
        cell = bit.bit_length() - 1
        path: list[Cell] = []
        stride = 0
        for layer in self.layers[depth - 1 :: -1] if depth else []:
            path.append(cell)
            cell, stride = self._before(cell, layer, stride)
        return path[::-1]

    def _before(self, cell: Cell, layer: int, stride: int) -> tuple[Cell, int]:
        here = 1 << cell
        options = orthogonal_neighbours(here) & layer
        if not here & self.doors:
            options |= diagonal_neighbours(here) & layer & ~self.doors
        if stride and cell - stride >= 0 and options >> (cell - stride) & 1:
            return cell - stride, stride
        best = options & orthogonal_neighbours(here) or options
        before = (best & -best).bit_length() - 1
        return before, cell - before
