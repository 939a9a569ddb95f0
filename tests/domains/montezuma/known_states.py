"""A known way through the game, found once by the search; tests play it again."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fpc.domains.montezuma.config import EnvironmentOptions
from fpc.domains.montezuma.start_states import StartState, read_start_states

STATES = Path(__file__).parent / "start_states.json"


def options(**changes: object) -> EnvironmentOptions:
    """Small and short."""
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
    """Start states of Rooms 2 and 7, four each, of one passage a room."""
    return read_start_states(STATES)


def start(room: int, index: int = 0) -> StartState:
    """One of them; the entry is the first."""
    return [state for state in starts() if state.room == room][index]
