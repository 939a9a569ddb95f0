"""What the player remembers of one dungeon level."""

from __future__ import annotations

from typing import Final

import numpy as np

from fpc.domains.nethack.expert.glyphs import KIND_OF_GLYPH, WALKABLE, WATCH_GLYPHS, Kind
from fpc.domains.nethack.expert.grid import COLUMNS, INSIDE, ROWS, WIDTH, Cell, cells, neighbours, plane

_FAILED_MOVES: Final = 3
_BLOCKED_ACTIONS: Final = 40


class Level:
    """Map of a level, updated from each observation by ``look``; planes are integers (see grid)."""

    def __init__(self) -> None:
        self.terrain = np.zeros((ROWS, COLUMNS), dtype=np.uint8)
        self.kinds = self.terrain
        self.visited = 0
        self.locked = 0
        self.shut = 0  # doors and rooms to stay out of
        self.stuck_boulders = 0
        self.searched: dict[Cell, int] = {}
        self.peaceful: dict[int, int] = {}  # glyph -> number of the action until which it counts as peaceful
        self.blocked: dict[Cell, int] = {}  # cell -> number of the action until which it is not entered
        self.failed_moves: dict[Cell, int] = {}
        self.harmful: dict[Cell, int] = {}  # last cell of a passive monster -> likewise
        self.watched = False  # whether the town watch, which punishes breaking doors, is in sight
        self.actions = 0  # actions on this level
        self.searches = 0  # searches for hidden passages
        self.rests = 0
        self.forced_actions = 0

    def look(self, glyphs: np.ndarray, here: Cell, now: int) -> None:
        """Update from the glyphs, int16 [21, 79]; ``now`` is the number of the action."""
        self.here = here
        self.actions += 1
        kinds = KIND_OF_GLYPH[glyphs]
        self.glyphs = glyphs
        self.watched = bool(np.isin(glyphs, WATCH_GLYPHS).any())
        row, column = divmod(here, WIDTH)
        hides = kinds >= Kind.OBJECT
        terrain = self.terrain
        np.copyto(terrain, kinds, where=~hides & (kinds != Kind.BLANK))
        solid = (terrain <= Kind.WALL) | (terrain == Kind.BOULDER) | (terrain == Kind.CLOSED_DOOR)
        terrain[hides & solid] = Kind.FLOOR
        kinds[row, column] = Kind.OBJECT
        self.kinds = kinds
        self.visited |= 1 << here
        self._update_planes(now)

    def _update_planes(self, now: int) -> None:
        terrain, kinds = self.terrain, self.kinds
        self.seen = plane(terrain != Kind.BLANK)
        self.closed = plane(terrain == Kind.CLOSED_DOOR)
        self.doors = plane(terrain == Kind.OPEN_DOOR) | self.closed
        self.locked &= self.closed
        self.boulders = plane(terrain == Kind.BOULDER)
        self.down = plane((terrain == Kind.DOWN) | (terrain == Kind.HOLE))
        self.up = plane(terrain == Kind.UP)
        self.traps = plane(terrain == Kind.TRAP)
        self.ground = plane(WALKABLE[terrain]) | self.down
        self.monsters = plane((kinds == Kind.MONSTER) | (kinds == Kind.INVISIBLE))
        self.passive = plane(kinds == Kind.PASSIVE)
        self._sort_peaceful(now)
        self._remember_passive(now)
        self.blocked = {cell: until for cell, until in self.blocked.items() if until > now}
        barred = self.passive | self.shut
        for cell in (*self.blocked, *self.harmful):
            barred |= 1 << cell
        self.barred = barred
        self.passable = self.ground & ~barred & ~self.locked

    def _sort_peaceful(self, now: int) -> None:
        """Move monsters that count as peaceful from ``monsters`` to ``passive``."""
        if not self.peaceful:
            return
        self.peaceful = {glyph: until for glyph, until in self.peaceful.items() if until > now}
        calm = plane(np.isin(self.glyphs, list(self.peaceful))) & self.monsters
        self.monsters &= ~calm
        self.passive |= calm

    def _remember_passive(self, now: int) -> None:
        """Passive monsters in the dark are only seen from next to them; assume that they stay put."""
        beside = neighbours(1 << self.here)
        self.harmful = {
            cell: until for cell, until in self.harmful.items() if until > now and not beside >> cell & 1
        }
        for cell in cells(self.passive):
            self.harmful[cell] = now + _BLOCKED_ACTIONS

    @property
    def frontier(self) -> int:
        """Unvisited cells next to unseen ones."""
        return self.ground & ~self.visited & neighbours(INSIDE & ~self.seen) & ~self.barred

    def on(self, kind: Kind) -> bool:
        """Whether the player is on ground of this kind."""
        return bool(self.terrain[divmod(self.here, WIDTH)] == kind)

    def note_failed_move(self, cell: Cell, now: int, limit: int = _FAILED_MOVES) -> None:
        """Note a failed move to ``cell``; after several the cell counts as blocked for a while."""
        self.failed_moves[cell] = self.failed_moves.get(cell, 0) + 1
        if self.failed_moves[cell] % limit == 0:
            self.blocked[cell] = now + _BLOCKED_ACTIONS * (self.failed_moves[cell] // limit)
            if self.boulders >> cell & 1:
                self.stuck_boulders |= 1 << cell

    def shut_room(self, ahead: Cell) -> None:
        """Avoid the room, e.g. a shop, in whose doorway the player is: all floor connected to ``ahead``."""
        floor = self.ground & ~(1 << self.here) & ~self.doors & ~plane(self.terrain == Kind.CORRIDOR)
        inside = 1 << ahead & floor
        while (grown := (inside | neighbours(inside)) & floor) != inside:
            inside = grown
        self.shut |= inside
