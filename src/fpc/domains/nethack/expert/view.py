"""Parses one NLE observation for the player."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from nle import nethack

from fpc.domains.nethack.expert.grid import WIDTH

OBSERVATION_KEYS: Final = ("glyphs", "blstats", "message", "misc", "inv_letters", "inv_oclasses", "inv_strs")
"""NLE's observations that the player reads."""

HUNGRY, WEAK = 2, 3
DEADLY: Final = (
    nethack.BL_MASK_STONE
    | nethack.BL_MASK_SLIME
    | nethack.BL_MASK_STRNGL
    | nethack.BL_MASK_FOODPOIS
    | nethack.BL_MASK_TERMILL
)
DAZED: Final = nethack.BL_MASK_STUN | nethack.BL_MASK_CONF | nethack.BL_MASK_BLIND


class View:
    """Status line, message and prompt flags."""

    def __init__(self, observation: Mapping[str, np.ndarray]) -> None:
        self.observation = observation
        status = observation["blstats"].tolist()
        self.here: int = status[nethack.NLE_BL_Y] * WIDTH + status[nethack.NLE_BL_X]
        self.hp: int = status[nethack.NLE_BL_HP]
        self.max_hp: int = status[nethack.NLE_BL_HPMAX]
        self.turn: int = status[nethack.NLE_BL_TIME]
        self.hunger: int = status[nethack.NLE_BL_HUNGER]
        self.condition: int = status[nethack.NLE_BL_CONDITION]
        self.depth: int = status[nethack.NLE_BL_DEPTH]
        self.experience_level: int = status[nethack.NLE_BL_XP]
        self.level: tuple[int, int] = (status[nethack.NLE_BL_DNUM], status[nethack.NLE_BL_DLEVEL])
        self.message = observation["message"].tobytes().split(b"\0", 1)[0].decode("latin-1")
        self.asks_key, self.asks_text, self.waits = (bool(flag) for flag in observation["misc"].tolist())

    @property
    def near_death(self) -> bool:
        """Whether hit points are low enough for a prayer to work."""
        return self.hp <= 5 or self.hp * 7 <= self.max_hp

    def letter_of(self, item_class: int, wanted: str = "") -> str | None:
        """Inventory letter of the first item of a class whose description contains ``wanted``, or None."""
        for slot in np.flatnonzero(self.observation["inv_oclasses"] == item_class):
            text = self.observation["inv_strs"][slot].tobytes().split(b"\0", 1)[0].decode("latin-1")
            if wanted in text:
                return chr(self.observation["inv_letters"][slot])
        return None
