"""The 121 actions of NetHack's score task and the keys they press (paper, section 4)."""

from __future__ import annotations

import numpy as np
from nle import nethack

from fpc.core.errors import DataError

KEYS: tuple[int, ...] = tuple(int(action) for action in nethack.ACTIONS)
ACTION_COUNT = len(KEYS)
UNKNOWN = -1


def _first_actions() -> np.ndarray:
    table = np.full(256, UNKNOWN, dtype=np.int64)
    for action, key in reversed(list(enumerate(KEYS))):  # reversed, so the first action of each key wins
        table[key] = action
    table.flags.writeable = False
    return table


ACTION_OF_KEY = _first_actions()  # int64 [256]; UNKNOWN if no action presses the key


def action_of(key: int) -> int:
    """Index of the first action that presses ``key``.

    Raises:
        DataError: no action presses it.
    """
    return int(actions_of(np.array([key]))[0])


def actions_of(keys: np.ndarray, where: str = "the recording") -> np.ndarray:
    """Action indices, int64, of key codes (any integer type, any shape).

    If several actions press the same key, the first is returned; they are equivalent.

    Raises:
        DataError: no action presses a key; ``where`` names the source of the keys in the message.
    """
    codes = np.asarray(keys).astype(np.int64)
    inside = (codes >= 0) & (codes < len(ACTION_OF_KEY))
    actions: np.ndarray = np.where(inside, ACTION_OF_KEY[np.where(inside, codes, 0)], UNKNOWN)
    if (actions == UNKNOWN).any():
        unknown = sorted({int(code) for code in codes[actions == UNKNOWN]})
        shown = ", ".join(map(_display_name, unknown[:5])) + (" ..." if len(unknown) > 5 else "")
        raise DataError(
            f"{where}: mismatched action space: none of the {ACTION_COUNT} actions (nle.nethack.ACTIONS) "
            f"presses key {shown}; leave that game out, or record it with these actions"
        )
    return actions


def _display_name(code: int) -> str:
    return f"{code} ({chr(code)!r})" if 32 <= code < 127 else str(code)
