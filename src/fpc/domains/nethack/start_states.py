"""Start states: a game's seed, the keys that lead to the state, and a digest of the resulting screen.

No saved games are needed: a state is replayed, and refused if the screen differs. (The paper, section 4 and
figure 5, needed a patched NLE for its saved games.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fpc.core.errors import DataError
from fpc.core.files import read_json, write_json
from fpc.domains.nethack.action_space import ACTION_OF_KEY

Screen = tuple[np.ndarray, np.ndarray, np.ndarray]


def digest_of_screen(chars: np.ndarray, colors: np.ndarray, cursor: np.ndarray) -> str:
    """Hexadecimal sha256 of a screen: characters and colours [24, 80] and cursor [2], one byte per value."""
    content = hashlib.sha256()
    for part in (chars, colors, cursor):
        content.update(np.ascontiguousarray(part).view(np.uint8).tobytes())
    return content.hexdigest()


@dataclass(frozen=True)
class StartState:
    """A state that episodes of a probe begin from."""

    probe: str
    seed: int
    keys: tuple[int, ...]  # codes of the keys pressed after the reset
    digest: str  # of the screen after the last key
    wizard: bool = False  # played in NetHack's debug mode

    @property
    def name(self) -> str:
        """Name for messages."""
        return f"start state of {self.probe}, seed {self.seed}"

    @property
    def last_action(self) -> int:
        """The action of the last key; 0 if no action presses it."""
        return max(0, int(ACTION_OF_KEY[self.keys[-1]])) if self.keys else 0

    def check_wizard(self, wizard: bool) -> None:
        """Raise ValueError if the environment is in the other mode."""
        if wizard != self.wizard:
            raise ValueError(
                f"{self.name}: needs wizard={self.wizard}, but the environment has wizard={wizard}"
            )

    def check_screen(self, screen: Screen) -> None:
        """Raise DataError if the screen differs from the recorded one."""
        found = digest_of_screen(*screen)
        if found != self.digest:
            raise DataError(
                f"{self.name}: after {len(self.keys)} keys the screen's digest is {found[:12]}..., not "
                f"{self.digest[:12]}...; the file was altered, or written with another version of nle; "
                "run collect again"
            )


def write_start_states(path: Path, states: Iterable[StartState]) -> None:
    """Write ``start_states.json``; keys are stored as hexadecimal digits, two per key."""
    rows = [
        {
            "probe": state.probe,
            "seed": state.seed,
            "wizard": state.wizard,
            "digest": state.digest,
            "keys": bytes(state.keys).hex(),
        }
        for state in states
    ]
    write_json(path, {"states": rows})


def read_start_states(path: Path) -> list[StartState]:
    """Read ``start_states.json``.

    Raises:
        DataError: a field is missing or has the wrong type; the message names file, state and field.
    """
    content = read_json(path)
    rows = content.get("states") if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise DataError(f"{path}: `states` must be a list of start states; run collect again")
    return [_parse(path, number, row) for number, row in enumerate(rows)]


def by_probe(states: Iterable[StartState]) -> dict[str, list[StartState]]:
    """Start states grouped by probe, in the given order."""
    found: dict[str, list[StartState]] = {}
    for state in states:
        found.setdefault(state.probe, []).append(state)
    return found


_FIELD_TYPES: Mapping[str, type] = {"probe": str, "seed": int, "wizard": bool, "digest": str, "keys": str}


def _parse(path: Path, number: int, row: Any) -> StartState:
    where = f"{path}: states[{number}]"
    if not isinstance(row, dict) or row.keys() != _FIELD_TYPES.keys():
        found = ", ".join(row) if isinstance(row, dict) else type(row).__name__
        raise DataError(
            f"{where} must have the fields {', '.join(_FIELD_TYPES)}, not {found}; run collect again"
        )
    for field, expected in _FIELD_TYPES.items():
        if type(row[field]) is not expected:
            value = repr(row[field])[:50]
            raise DataError(f"{where}.{field} must be {expected.__name__}, not {value}; run collect again")
    if row["seed"] < 0:
        raise DataError(f"{where}.seed must not be negative, but is {row['seed']}; run collect again")
    try:
        keys = tuple(bytes.fromhex(row["keys"]))
    except ValueError as error:
        raise DataError(f"{where}.keys must be hexadecimal digits ({error}); run collect again") from error
    return StartState(row["probe"], row["seed"], keys, row["digest"], row["wizard"])
