"""Finds start states in games, and replays them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np

from fpc.core.errors import DataError
from fpc.domains.nethack.action_space import KEYS
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.start_states import StartState, digest_of_screen


def replay(environment: NetHackEnvironment, start: StartState) -> dict[str, np.ndarray]:
    """Bring ``environment`` to the start state and return its observation.

    Raises:
        DataError: the replay reached a different screen, or the environment is in the other mode.
    """
    observation, _ = environment.reset(options={"start": start})
    return observation


class Game(Protocol):
    """The part of an expert's game that is needed here; `expert.GameRecord` implements it."""

    @property
    def seed(self) -> int:
        """The game's seed."""
        ...

    @property
    def actions(self) -> np.ndarray:
        """All actions of the game, uint8 [N]."""
        ...

    @property
    def level_entries(self) -> dict[int, int]:
        """Depth -> number of actions before it was first reached."""
        ...


def entry_states(
    environment: EnvironmentOptions, games: Iterable[Game], depth: int, count: int
) -> list[StartState]:
    """At most ``count`` first entries to ``depth`` (probe ``level_<depth>``), in the order of the games.

    Raises:
        DataError: a game's actions lead elsewhere when replayed.
    """
    player = NetHackEnvironment(environment)
    states: list[StartState] = []
    try:
        for game in games:
            if len(states) < count and depth in game.level_entries:
                actions = game.actions[: game.level_entries[depth]].tolist()
                keys = tuple(KEYS[action] for action in actions)
                states.append(capture(player, f"level_{depth}", game.seed, keys))
                if (reached := player.metrics.depth) < depth:
                    raise DataError(
                        f"{states[-1].name}: the expert's {len(keys)} actions lead to level {reached}; "
                        "its games were recorded with another version of nle; play them again"
                    )
    finally:
        player.close()
    return states


def capture(environment: NetHackEnvironment, probe: str, seed: int, keys: Sequence[int]) -> StartState:
    """The start state reached by pressing ``keys`` in the game of ``seed``."""
    environment.press_keys(seed, keys)
    return StartState(probe, seed, tuple(keys), digest_of_screen(*environment.screen()), environment.wizard)
