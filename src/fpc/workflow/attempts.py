"""``run.json`` in a run's folder: the attempts so far, how each ended, and the devices that each one used."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fpc.core.files import read_json, write_json
from fpc.core.interruption import Interrupted
from fpc.lineage import origin
from fpc.lineage.artifact import Row

UNREADABLE = (OSError, ValueError, KeyError, IndexError)


def now() -> str:
    """The time, for records."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def holder(folder: Path) -> str:
    """The process that works on a run, as far as known."""
    try:
        return f"process {read_json(folder / 'run.json')['attempts'][-1]['process']}"
    except UNREADABLE:
        return "process unknown"


def begin(folder: Path, row: Row) -> list[dict[str, Any]]:
    """Record this attempt; returns all attempts."""
    record = folder / "run.json"
    try:
        attempts = list(read_json(record)["attempts"])
    except UNREADABLE:
        attempts = []
    attempts.append({"started": now(), "process": os.getpid(), **origin.repository()})
    write_json(record, {"row": row.identity, "attempts": attempts})
    return attempts


def note(folder: Path, **values: Any) -> None:
    """Add values to the record of the latest attempt, if it can be written."""
    record = folder / "run.json"
    with suppress(*UNREADABLE):
        content = read_json(record)
        content["attempts"][-1] |= values
        write_json(record, content)


def note_end(folder: Path, error: BaseException) -> None:
    """Record how the latest attempt ended."""
    how = f"stopped by {error}" if isinstance(error, Interrupted) else f"{type(error).__name__}: {error}"
    note(folder, ended=now(), how=how[:500])


def devices(folder: Path) -> list[str]:
    """Names of the devices that all attempts used."""
    found: set[str] = set()
    with suppress(*UNREADABLE):
        for attempt in read_json(folder / "run.json")["attempts"]:
            found.update(attempt.get("devices", ()))
    return sorted(found)
