"""Start states and demonstrations: actions from the start of the game, with the resulting RAM's digest.

Without sticky actions the game is deterministic, so a state needs no save file: its actions are replayed,
and it is rejected if the RAM differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fpc.core.errors import DataError
from fpc.core.files import read_json, write_json
from fpc.domains.montezuma.emulator import ACTIONS, Emulator, rom_digest
from fpc.domains.montezuma.rooms import RAM_OF_ROOM, room_number


@dataclass(frozen=True)
class StartState:
    """A state in a room, given by the actions that lead there."""

    room: int
    seed: int  # of the search that found it
    actions: tuple[int, ...]  # from the start of the game
    digest: str  # of the RAM after these actions


@dataclass(frozen=True)
class Demonstration:
    """A recorded game."""

    seed: int
    actions: tuple[int, ...]
    digest: str  # of the RAM at its end
    room_entries: dict[int, int]  # room -> number of actions before its first entry
    score: float


def replay(emulator: Emulator, start: StartState) -> int:
    """Bring ``emulator`` to the start state; returns the previous room (our number), or 0 if there was none.

    Raises:
        DataError: the actions led to another state.
    """
    rooms = rooms_on_the_way(emulator, start)
    return next((room for room in reversed(rooms) if room != rooms[-1]), 0)


def rooms_on_the_way(emulator: Emulator, start: StartState) -> list[int]:
    """Bring ``emulator`` to the start state; returns the room (our number) before and after every action.

    Raises:
        DataError: the actions led to another state.
    """
    emulator.reset()
    rooms = [room_number(emulator.ram_room)]
    for action in start.actions:
        emulator.step(action)
        rooms.append(room_number(emulator.ram_room))
    found = emulator.digest()
    if found != start.digest:
        raise DataError(
            f"start state in room {start.room}, seed {start.seed}: after {len(start.actions)} actions the "
            f"RAM's digest is {found[:12]}..., not {start.digest[:12]}...; the file was altered or made with "
            "another version of ale-py: run pretrain again"
        )
    return rooms


def write_start_states(path: Path, states: Iterable[StartState]) -> None:
    """Write ``start_states.json``; actions are hexadecimal, two digits each."""
    rows = [
        {
            "room": state.room,
            "seed": state.seed,
            "actions": bytes(state.actions).hex(),
            "digest": state.digest,
        }
        for state in states
    ]
    write_json(path, {"rom": rom_digest(), "states": rows})


def read_start_states(path: Path) -> list[StartState]:
    """Read ``start_states.json``.

    Raises:
        DataError: the file was made with another ROM, or a field is missing or has the wrong type.
    """
    found = []
    for where, row in _rows(path, "states", {"room": int, "seed": int, "actions": str, "digest": str}):
        if row["room"] not in RAM_OF_ROOM:
            raise DataError(f"{where}.room is {row['room']}; rooms are 1 to 24. Run pretrain again")
        found.append(StartState(row["room"], row["seed"], _actions(where, row["actions"]), row["digest"]))
    return found


def write_demonstrations(path: Path, demonstrations: Iterable[Demonstration]) -> None:
    """Write ``demonstrations.json``."""
    rows = [
        {
            "seed": item.seed,
            "actions": bytes(item.actions).hex(),
            "digest": item.digest,
            "room_entries": {str(room): step for room, step in item.room_entries.items()},
            "score": float(item.score),
        }
        for item in demonstrations
    ]
    write_json(path, {"rom": rom_digest(), "demonstrations": rows})


def read_demonstrations(path: Path) -> list[Demonstration]:
    """Read ``demonstrations.json``.

    Raises:
        DataError: the file was made with another ROM, or a field is missing or has the wrong type.
    """
    kinds = {"seed": int, "actions": str, "digest": str, "room_entries": dict, "score": float}
    return [
        Demonstration(
            row["seed"],
            _actions(where, row["actions"]),
            row["digest"],
            {int(room): int(step) for room, step in row["room_entries"].items()},
            row["score"],
        )
        for where, row in _rows(path, "demonstrations", kinds)
    ]


def by_room(states: Iterable[StartState]) -> dict[int, list[StartState]]:
    """Room -> its states, in the given order."""
    found: dict[int, list[StartState]] = {}
    for state in states:
        found.setdefault(state.room, []).append(state)
    return found


def _rows(path: Path, name: str, kinds: Mapping[str, type]) -> list[tuple[str, dict[str, Any]]]:
    """Validated rows of a file, each with its location for error messages."""
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get(name), list):
        raise DataError(f"{path}: `{name}` must be a list; run pretrain again")
    if content.get("rom") != rom_digest():
        raise DataError(
            f"{path}: made with another ROM of Montezuma's Revenge ({str(content.get('rom'))[:12]}..., here "
            f"{rom_digest()[:12]}...); install the locked ale-py, or run pretrain again"
        )
    rows = []
    for number, row in enumerate(content[name]):
        where = f"{path}: {name}[{number}]"
        if not isinstance(row, dict) or row.keys() != kinds.keys():
            raise DataError(f"{where} must have the fields {', '.join(kinds)}; run pretrain again")
        for field, kind in kinds.items():
            if type(row[field]) is not kind:
                value = repr(row[field])[:50]
                raise DataError(f"{where}.{field} must be {kind.__name__}, not {value}; run pretrain again")
        rows.append((where, row))
    return rows


def _actions(where: str, text: str) -> tuple[int, ...]:
    try:
        actions = tuple(bytes.fromhex(text))
    except ValueError as error:
        raise DataError(
            f"{where}.actions must be hexadecimal digits ({error}); run pretrain again"
        ) from error
    if any(action >= ACTIONS for action in actions):
        raise DataError(f"{where}.actions must be below {ACTIONS}; run pretrain again")
    return actions
