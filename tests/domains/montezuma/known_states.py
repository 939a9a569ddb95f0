"""A known trajectory through the game, found by the search; tests replay it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fpc.domains.montezuma.config import EnvironmentOptions
from fpc.domains.montezuma.start_states import StartState, read_start_states

STATES = Path(__file__).parent / "start_states.json"


def options(**changes: object) -> EnvironmentOptions:
    """A small frame and short episodes."""
    values = {
        "frame_skip": 4,
        "sticky": 0.25,
        "max_steps": 200,
        "screen_size": 42,
        "frame_stack": 4,
        "room": 7,
        "room_max_steps": 100,
    }
    return EnvironmentOptions.model_validate(values | changes)


@cache
def starts() -> list[StartState]:
    """Four start states in each of Rooms 2 and 7, from one passage per room."""
    return read_start_states(STATES)


def start(room: int, index: int = 0) -> StartState:
    """One of a room's start states; index 0 is the entry."""
    return [state for state in starts() if state.room == room][index]
