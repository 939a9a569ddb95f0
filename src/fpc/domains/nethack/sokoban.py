"""Start states at the entry to Sokoban's first level, created in NetHack's debug mode (paper, figure 5)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from nle import nethack

from fpc.core.errors import ConfigError
from fpc.core.seeds import seed_of
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.environment import SOKOBAN, SOKOBAN_DUNGEON, NetHackEnvironment
from fpc.domains.nethack.start_state_capture import capture
from fpc.domains.nethack.start_states import StartState

_LEVEL_TELEPORT, _MAP, _TELEPORT = 22, 6, 20  # ^V, ^F, ^T
_ENTER, _NEXT_PAGE, _UP, _SELECT, _SPACE = 13, ord(">"), ord("<"), ord("."), 32
_MENU_LINE = "Stair to Sokoban:"
_PAGES, _STAIRCASES = 4, 4


def sokoban_states(environment: EnvironmentOptions, seed: int, count: int) -> list[StartState]:
    """``count`` entries to Sokoban's first level, each in a different game.

    The character is teleported to the level with the stairs to Sokoban, moved onto them, and climbs; it
    arrives where it would in a normal game, at experience level 1. Seeds for which this fails are skipped.

    Raises:
        ConfigError: too many seeds fail.
    """
    player = NetHackEnvironment(environment, wizard=True)
    states: list[StartState] = []
    tries = 4 * count + 8
    try:
        for number in range(tries):
            if len(states) == count:
                return states
            found = _enter(player, seed_of(seed, number))
            states += [found] if found is not None else []
    finally:
        player.close()
    if len(states) < count:
        raise ConfigError(
            f"only {len(states)} of {tries} games reached Sokoban, but {count} are needed; "
            "lower collect.sokoban.count, or set it to 0"
        )
    return states


def is_first_level(blstats: np.ndarray) -> bool:
    """Whether a status line (int64 [27]) shows Sokoban's entry level, the lowest of four."""
    return bool(blstats[nethack.NLE_BL_DNUM] == SOKOBAN_DUNGEON and blstats[nethack.NLE_BL_DLEVEL] == 4)


def _enter(player: NetHackEnvironment, seed: int) -> StartState | None:
    """Try each of the level's up staircases, restarting the game each time."""
    for staircase in range(1, _STAIRCASES + 1):
        keys = _keys_to_sokoban(player, seed, staircase)
        if keys is not None:
            return capture(player, SOKOBAN, seed, keys)
    return None


def _keys_to_sokoban(player: NetHackEnvironment, seed: int, staircase: int) -> list[int] | None:
    player.press_keys(seed, ())
    keys: list[int] = []

    def press(*codes: int) -> None:
        for code in codes:
            keys.append(code)
            player.game.nethack.step(code)

    def press_and_read(*codes: int) -> None:
        press(*codes)
        while player.waits_for_space:
            press(_SPACE)

    letter = _choose_level(player, press)
    if letter is None:
        return None
    press_and_read(letter)
    press_and_read(_MAP)  # the cursor only jumps to staircases that are on the map
    press_and_read(_TELEPORT)
    press_and_read(*[_UP] * staircase, _SELECT)
    press_and_read(_UP)
    return keys if is_first_level(player.blstats) else None


def _choose_level(player: NetHackEnvironment, press: Callable[..., None]) -> int | None:
    """Open debug mode's menu of levels; returns the letter of the level with Sokoban's stairs."""
    press(_LEVEL_TELEPORT, ord("?"), _ENTER)
    for _ in range(_PAGES):
        for row in player.screen()[0]:
            line = row.tobytes().decode("latin-1").strip()
            if _MENU_LINE in line:
                return ord(line[0])
        press(_NEXT_PAGE)
    return None
