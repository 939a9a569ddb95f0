"""A symbolic NetHack player: explores, descends, fights, prays, eats.

Where possible its choices depend only on what is on the screen, so that a network can clone them. Priorities:
prompts, emergencies, fights, stairs, the nearest unexplored cell and, as a last resort, searching for hidden
passages. It walks step by step, since the travel command opens a prompt in which no turn passes: networks
cloned from a player that used it stayed there until their games were stopped.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from nle import nethack

from fpc.domains.nethack.action_space import ACTION_OF_KEY
from fpc.domains.nethack.expert.glyphs import Kind
from fpc.domains.nethack.expert.grid import WIDTH, Cell, Search, cells, neighbours
from fpc.domains.nethack.expert.hidden_passages import cell_to_search
from fpc.domains.nethack.expert.keys import DIRECTIONS, ESCAPE, KICK, MORE, PRAY, keys
from fpc.domains.nethack.expert.level import Level
from fpc.domains.nethack.expert.view import DAZED, DEADLY, HUNGRY, OBSERVATION_KEYS, WEAK, View

_SEARCHES_PER_LEVEL = 60
_FIRST_PRAYER = 120  # turns; prayers in major trouble are safe from turn 100 on
_PRAYER = 300  # turns between prayers when near death
_HUNGRY_PRAYER = 800  # turns between prayers when weak with hunger
_FORCED_ACTIONS = 200  # per level, on boulders, traps and locked doors
_PATIENCE = 25  # actions beyond twice the path's length before a goal is dropped


class Player:
    """Plays one game at a time; call ``reset`` before each. It is deterministic."""

    observation_keys = OBSERVATION_KEYS

    def reset(self, seed: int) -> None:
        """Forget the last game. The seed is unused: the same observations lead to the same actions."""
        del seed
        self.levels: dict[tuple[int, int], Level] = {}
        self.queue: list[int] = []
        self.aim: Cell | None = None  # cell that the last key moves to
        self.earlier_messages = ""  # messages before the current one, since the last move
        self.attacking = False  # whether the last key is an attack
        self.goal: Cell | None = None  # frontier cell to walk to
        self.goal_until = 0
        self.fasting_until = 0
        self.previous = (-1, -1)  # cell and turn before the last key
        self.last_prayer = -1000
        self.now = 0
        self.gave_up = False
        self.current: Level | None = None

    def act(self, observation: Mapping[str, np.ndarray]) -> int:
        """Index of the next action, from NLE's observations ``observation_keys``."""
        self.now += 1
        return int(ACTION_OF_KEY[self._key(View(observation))])

    def _key(self, view: View) -> int:
        answer = self._answer(view)
        if answer is not None:
            return answer
        if self.queue:
            return self.queue.pop(0)
        level = self.levels.setdefault(view.level, Level())
        if level is not self.current:
            self.goal = self.aim = None
        level.look(view.observation["glyphs"], view.here, self.now)
        self._learn(view, level)
        self.current = level
        self.previous = (view.here, view.turn)
        self.aim, self.attacking = None, False
        plan = (
            self._survive(view, level)
            or self._fight(view, level)
            or self._recover(view, level)
            or self._descend(level)
            or self._explore(level)
            or self._force(level)
            or self._find_hidden(view, level)
        )
        self.queue = plan[1:]
        return plan[0]

    # Prompts

    def _answer(self, view: View) -> int | None:
        if view.waits:
            self.earlier_messages += view.message
            return MORE
        if view.asks_text:
            self.queue.clear()
            return ESCAPE
        if view.asks_key:
            return self._reply(view)
        return None

    def _reply(self, view: View) -> int:
        """Reply to a question, with queued keys if they are meant for it."""
        text = view.message
        if "Really attack" in text:
            self._mark_peaceful()
            self.queue.clear()
            return ESCAPE
        if "here; eat" in text:
            return self._reply_to_meal(text)
        if "Are you sure you want to pray?" in text:
            return ord("y")
        if self.queue and ("direction" in text or "What do you want to" in text):
            return self.queue.pop(0)
        self.queue.clear()
        return ESCAPE

    def _reply_to_meal(self, text: str) -> int:
        """Whether to eat the food on the floor instead of the chosen item: not if it may be rotten."""
        if any(word in text for word in ("corpse", "egg", "tin")):
            return ord("n")
        self.queue.clear()
        return ord("y")

    def _mark_peaceful(self) -> None:
        level = self.current
        if self.aim is not None and level is not None:
            glyph = int(level.glyphs[divmod(self.aim, WIDTH)])
            level.peaceful[glyph] = self.now + 60
            level.blocked[self.aim] = self.now + 5

    # Messages and the outcome of the last move

    def _learn(self, view: View, level: Level) -> None:
        """Learn the outcome of the last move from all messages since."""
        text, aim, self.earlier_messages = self.earlier_messages + view.message, self.aim, ""
        if "Closed for inventory" in text and aim is not None:
            level.shut |= 1 << aim
        if "Welcome" in text and "'s " in text and view.here == aim:
            level.shut_room(2 * view.here - self.previous[0])
        if aim is None or self.attacking or view.here == aim or self.previous[0] != view.here:
            return
        if "This door is locked" in text:
            level.locked |= 1 << aim
        elif "WHAMM" not in text and "door opens" not in text and "You kill" not in text:
            limit = 12 if any(word in text for word in ("pit", "trap", "web", "stuck", "door")) else 3
            level.note_failed_move(aim, self.now, limit)

    # Decisions: each returns keys or None

    def _survive(self, view: View, level: Level) -> list[int] | None:
        in_danger = view.near_death or view.condition & DEADLY
        since = view.turn - self.last_prayer
        can_pray = (in_danger and since > _PRAYER) or (view.hunger >= WEAK and since > _HUNGRY_PRAYER)
        if can_pray and view.turn > _FIRST_PRAYER:
            self.last_prayer = view.turn
            return [PRAY]
        if view.hp * 3 <= view.max_hp and level.monsters & neighbours(neighbours(1 << level.here)):
            potion = view.letter_of(nethack.POTION_CLASS, "healing")
            if potion is not None:
                return keys("q" + potion)
        if view.hunger >= HUNGRY and self.now > self.fasting_until:
            self.fasting_until = self.now + 20
            for food in ("food ration", "apple", "orange", "fortune", "cram", "lembas", "pancake"):
                letter = view.letter_of(nethack.FOOD_CLASS, food)
                if letter is not None:
                    return keys("e" + letter)
        return None

    def _fight(self, view: View, level: Level) -> list[int] | None:
        if (level.kinds == Kind.SWALLOWED).any():
            return keys("j")
        near = level.monsters & self._beside(level)
        if not near:
            return None
        target = cells(near)[0]
        step = self._direction(level, target)
        invisible = level.kinds[divmod(target, WIDTH)] == Kind.INVISIBLE
        self.aim, self.attacking = target, True
        return [ord("F"), step] if invisible else [step]

    def _beside(self, level: Level) -> int:
        """Cells that can be attacked: not diagonally through doors."""
        here = 1 << level.here
        beside = neighbours(here)
        if here & level.doors:
            return beside & ~(here << 79 | here << 81 | here >> 79 | here >> 81)
        return beside & ~(level.doors & (here << 79 | here << 81 | here >> 79 | here >> 81))

    def _recover(self, view: View, level: Level) -> list[int] | None:
        if level.monsters:
            return None
        if view.condition & DAZED or (view.hp * 2 < view.max_hp and level.rests < 40):
            level.rests += 1
            return keys("20s")
        return None

    def _descend(self, level: Level) -> list[int] | None:
        if level.on(Kind.DOWN):
            return keys(">")
        search = Search(level.here, level.passable, level.doors, level.down & ~(1 << level.here))
        if not search.found:
            return None
        return self._step(level, search.path()[0])

    def _explore(self, level: Level) -> list[int] | None:
        frontier = level.frontier & ~level.locked & ~(1 << level.here)
        if self.goal is not None and self.now > self.goal_until:
            level.blocked[self.goal] = self.now + 300
            self.goal = None
        elif self.goal is not None and frontier >> self.goal & 1:
            search = Search(level.here, level.passable, level.doors, 1 << self.goal)
            if search.found:
                return self._step(level, search.path()[0])
        search = Search(level.here, level.passable, level.doors, frontier)
        if not search.found:
            self.goal = None
            return None
        path = search.path()
        self.goal, self.goal_until = path[-1], self.now + 2 * len(path) + _PATIENCE
        return self._step(level, path[0])

    def _force(self, level: Level) -> list[int] | None:
        """Get past locked doors, boulders and traps on the way to unexplored cells."""
        everything = level.ground | (level.boulders & ~level.stuck_boulders) | level.traps
        passable = everything & ~level.barred
        if level.watched:
            passable &= ~level.locked
        targets = (
            level.frontier | level.down | level.boulders & ~level.stuck_boulders | level.locked
        ) & passable
        search = Search(level.here, passable, level.doors, targets & ~(1 << level.here))
        if not search.found or level.forced_actions > _FORCED_ACTIONS:
            return None
        level.forced_actions += 1
        step = search.path()[0]
        if level.locked >> step & 1:
            self.aim = step
            return [KICK, self._direction(level, step)]
        return self._step(level, step)

    def _find_hidden(self, view: View, level: Level) -> list[int]:
        search = Search(level.here, level.passable, level.doors)
        cell = cell_to_search(level, search)
        if cell is None or level.searches > _SEARCHES_PER_LEVEL:
            self.gave_up = True
            cell = level.here
        if cell == level.here:
            level.searches += 1
            level.searched[cell] = level.searched.get(cell, 0) + 1
            return keys("20s")
        return self._step(level, search.path(cell)[0])

    def _step(self, level: Level, cell: Cell) -> list[int]:
        self.aim = cell
        return [self._direction(level, cell)]

    @staticmethod
    def _direction(level: Level, cell: Cell) -> int:
        rows, columns = divmod(level.here, WIDTH)
        row, column = divmod(cell, WIDTH)
        return DIRECTIONS[row - rows, column - columns]
