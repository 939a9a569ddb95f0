"""State of every run, from files alone, so that it also works from another machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fpc.config.root import Configuration
from fpc.files import digest_of, read_json
from fpc.lineage.manifest import ManifestError, read
from fpc.runs import RUNS, run_identity
from fpc.table import Row, parents, rows, section_of

STALE_HEARTBEAT_SECONDS = 300.0


@dataclass(frozen=True)
class RunState:
    """What is known of one row."""

    row: Row
    state: str  # waiting, running, interrupted, done, stale
    step: int | None = None
    total: int | None = None
    steps_per_second: float | None = None
    seconds_left: float | None = None
    attempts: int | None = None
    last_return: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = {key: value for key, value in asdict(self).items() if value is not None and key != "row"}
        return {**run_identity(self.row), **values}


def run_states(configuration: Configuration) -> list[RunState]:
    """State of every row of a configuration."""
    open_runs = _open_runs()
    return [_state(configuration, row, open_runs) for row in rows(configuration)]


def _open_runs() -> dict[str, Path]:
    """Folder of the newest open run of each row, by the row's digest."""
    found: dict[str, tuple[str, Path]] = {}
    for record in RUNS.glob("*/run.json"):
        try:
            content = read_json(record)
            key, started = digest_of(content["row"]), content["attempts"][-1]["started"]
        except (OSError, ValueError, KeyError, IndexError):
            continue
        if key not in found or started > found[key][0]:
            found[key] = (started, record.parent)
    return {key: folder for key, (_, folder) in found.items()}


def _state(configuration: Configuration, row: Row, open_runs: Mapping[str, Path]) -> RunState:
    folder = open_runs.get(digest_of(run_identity(row)))
    try:
        manifest = read(row.manifest)
    except ManifestError:
        return RunState(row, "waiting") if folder is None else _open_state(row, folder)
    metadata = manifest.details["metadata"]
    open_state = None if folder is None else _open_state(row, folder, since=metadata["finishedOn"])
    if open_state is not None and open_state.state != "waiting":
        return open_state
    expected = {parent.manifest.as_posix() for parent in parents(configuration, row)}
    current = manifest.section_digest == digest_of(section_of(configuration, row))
    current = current and set(manifest.parents) == expected
    return RunState(
        row,
        "done" if current else "stale",
        step=metadata.get("steps"),
        total=metadata.get("steps"),
        steps_per_second=metadata.get("steps_per_second"),
        attempts=metadata.get("attempts"),
    )


def _open_state(row: Row, folder: Path, since: str = "") -> RunState:
    """State of an open run; waiting where it is gone or older than ``since``."""
    try:
        attempts = read_json(folder / "run.json")["attempts"]
    except (OSError, ValueError):
        return RunState(row, "waiting")
    if attempts[-1]["started"] <= since:
        return RunState(row, "waiting")
    try:
        progress = read_json(folder / "progress.json")
    except (OSError, ValueError):
        return RunState(row, _alive(attempts[-1]["started"]), attempts=len(attempts))
    heartbeat = max(progress["time"], attempts[-1]["started"])
    speed = progress["steps_per_second"]
    left = (progress["total"] - progress["step"]) / speed if speed > 0 else None
    return RunState(
        row,
        _alive(heartbeat),
        step=progress["step"],
        total=progress["total"],
        steps_per_second=speed,
        seconds_left=left,
        attempts=len(attempts),
        last_return=progress["metrics"].get("return"),
    )


def _alive(heartbeat: str) -> str:
    age = (datetime.now(UTC) - datetime.fromisoformat(heartbeat)).total_seconds()
    return "running" if age < STALE_HEARTBEAT_SECONDS else "interrupted"


def status_text(states: list[RunState]) -> str:
    """A table of the runs, and a line that counts their states."""
    lines = [f"{'run':<64} {'state':<12} {'progress':>18} {'steps/s':>9} {'left':>8}"]
    for item in states:
        progress = "" if item.total is None else f"{item.step:,}/{item.total:,}"
        speed = "" if item.steps_per_second is None else f"{item.steps_per_second:,.0f}"
        left = "" if item.seconds_left is None else _duration(item.seconds_left)
        lines.append(f"{item.row.title:<64} {item.state:<12} {progress:>18} {speed:>9} {left:>8}")
    counts: dict[str, int] = {}
    for item in states:
        counts[item.state] = counts.get(item.state, 0) + 1
    lines.append(", ".join(f"{count} {state}" for state, count in counts.items()))
    return "\n".join(lines)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"
