"""Montezuma's Revenge in the Arcade Learning Environment, deterministic: equal actions give equal games."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

import ale_py
import numpy as np
from ale_py import roms

from fpc.domains.montezuma.rooms import room_number

FRAME_SKIP = 4
ACTIONS = 18
HEIGHT, WIDTH = 210, 160
ROOM, X, Y, INVENTORY = 3, 42, 43, 65  # size of the RAM in bytes
CELL = 8  # pixels


@cache
def rom_digest() -> str:
    """Hexadecimal sha256 of the game's ROM."""
    return hashlib.sha256(_rom().read_bytes()).hexdigest()


def _rom() -> Path:
    path = roms.get_rom_path("montezuma_revenge")
    assert path is not None  # the ROM comes with ale-py
    return Path(path)


class Emulator:
    """One game; a step repeats one action (0 to 17) for ``frame_skip`` emulator frames."""

    def __init__(self, frame_skip: int = FRAME_SKIP) -> None:
        self.frame_skip = frame_skip
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale = ale_py.ALEInterface()
        self.ale.setFloat("repeat_action_probability", 0.0)
        self.ale.setInt("random_seed", 0)
        self.ale.loadROM(_rom())
        self._actions = self.ale.getMinimalActionSet()
        self._last = np.zeros((HEIGHT, WIDTH), np.uint8)
        self._before = np.zeros((HEIGHT, WIDTH), np.uint8)

    def reset(self) -> None:
        """Return to the start of the game."""
        self.ale.reset_game()

    def step(self, action: int, draw: bool = False) -> float:
        """Act for ``frame_skip`` frames, or do nothing once the game is over; returns the points earned."""
        reward, code, act = 0.0, self._actions[action], self.ale.act
        for left in range(self.frame_skip - 1, -1, -1):
            reward += act(code)
            if draw and left == 1:
                self.ale.getScreenGrayscale(self._before)
        if draw:
            self.ale.getScreenGrayscale(self._last)
        return reward

    def frame(self) -> np.ndarray:
        """Maximum of the last two frames of the last rendered step, greyscale uint8 ``[210, 160]``."""
        return np.maximum(self._before, self._last) if self.frame_skip > 1 else self._last.copy()

    def draw(self) -> np.ndarray:
        """The current frame alone, greyscale uint8 ``[210, 160]``; it replaces the last two."""
        self.ale.getScreenGrayscale(self._last)
        self._before[:] = self._last
        return self._last.copy()

    def rgb(self) -> np.ndarray:
        """The current frame in colour, uint8 ``[210, 160, 3]``."""
        return np.asarray(self.ale.getScreenRGB())

    def save(self) -> bytes:
        """The complete emulator state."""
        state: Any = self.ale.cloneState().__getstate__()
        return bytes(state)

    def load(self, state: bytes) -> None:
        """Restore a saved state."""
        self.ale.restoreState(ale_py.ALEState(state))

    @property
    def ram(self) -> np.ndarray:
        """The RAM, uint8 ``[128]``."""
        ram: np.ndarray = self.ale.getRAM()
        return ram

    @property
    def ram_room(self) -> int:
        """The room in the game's own numbering, 0 to 23."""
        return int(self.ram[ROOM])

    @property
    def inventory(self) -> int:
        """Bit mask of the items carried."""
        return int(self.ram[INVENTORY])

    def cell(self) -> tuple[int, int, int]:
        """The player's position: room (our numbering), x and y in squares of ``CELL`` pixels."""
        ram = self.ram
        return room_number(int(ram[ROOM])), int(ram[X]) // CELL, int(ram[Y]) // CELL

    @property
    def lives(self) -> int:
        """Lives left."""
        return int(self.ale.lives())

    @property
    def game_over(self) -> bool:
        """Whether the game has ended."""
        return bool(self.ale.game_over())

    def digest(self) -> str:
        """Hexadecimal sha256 of the RAM."""
        return hashlib.sha256(self.ram.tobytes()).hexdigest()
