"""Frames of attempts, from a deterministic replay of their actions."""

from __future__ import annotations

import numpy as np

from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.start_states import StartState, replay

TOP, BOTTOM = 47, 200  # rows of the screen that show the room


def film(emulator: Emulator, start: StartState, actions: bytes) -> np.ndarray:
    """Frames of an attempt while it is in its room, uint8 ``[steps, 153, 160, 3]``, the start first.

    Raises:
        ValueError: the replay did not reach the start state.
    """
    replay(emulator, start)
    frames = [emulator.rgb()]
    room = emulator.ram_room
    for action in actions:
        emulator.step(action)
        if emulator.ram_room != room or emulator.game_over:
            break
        frames.append(emulator.rgb())
    return np.stack(frames)[:, TOP:BOTTOM]
