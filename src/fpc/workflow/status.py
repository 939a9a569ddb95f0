"""The state of every run, from files alone, so that it also works from another machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fpc.core.files import digest_of, read_json
from fpc.core.numbers import number
from fpc.lineage.artifact import Row
from fpc.lineage.freshness import Freshness, freshness
from fpc.lineage.manifest import ManifestError, UnreadableManifest
from fpc.lineage.verdict import Finding, Verdict
from fpc.workflow.configuration import Configuration
from fpc.workflow.run import RUNS, RunError, run_digest
from fpc.workflow.run_table import RunTable

STALE_HEARTBEAT_SECONDS = 300.0
OTHER = "state of another configuration or version"


@dataclass(frozen=True)
class RunState:
    """What is known of one row."""

    row: Row
    state: str  # waiting, running, interrupted, failed, done, stale, unverified (it cannot be read)
    step: int | None = None
    total: int | None = None
    steps_per_second: float | None = None
    seconds_left: float | None = None
    attempts: int | None = None
    last_return: float | None = None
    heartbeat: str | None = None  # time of the last progress report of an open run
    ended: str | None = None  # how its last attempt ended, if recorded
    other: str | None = None  # folder with state of another configuration or version, if it is not done

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        values = {key: value for key, value in asdict(self).items() if value is not None and key != "row"}
        return {**self.row.identity, **values}


def run_states(configuration: Configuration) -> list[RunState]:
    """State of every row of a configuration."""
    table = RunTable(configuration)
    fresh = freshness(table)
    states = states_of(fresh, table, table.rows())
    fresh.digests.save()
    return states


def states_of(fresh: Freshness, table: RunTable, chosen: Iterable[Row]) -> list[RunState]:
    """State of some rows of a run table."""
    open_runs = _open_runs()
    return [_state(fresh, table, row, open_runs) for row in chosen]


def _open_runs() -> dict[str, list[Path]]:
    """Folders of each row's open runs, the newest first, by the row's digest."""
    found: dict[str, list[tuple[str, Path]]] = {}
    for record in RUNS.glob("*/run.json"):
        try:
            content = read_json(record)
            key, started = digest_of(content["row"]), content["attempts"][-1]["started"]
        except (OSError, ValueError, KeyError, IndexError):
            continue
        found.setdefault(key, []).append((started, record.parent))
    return {key: [folder for _, folder in sorted(runs, reverse=True)] for key, runs in found.items()}


def _state(fresh: Freshness, table: RunTable, row: Row, open_runs: Mapping[str, list[Path]]) -> RunState:
    folders = open_runs.get(digest_of(row.identity), [])
    name = _run_name(table, row) if folders else None
    found = _present_state(fresh, row, next((folder for folder in folders if folder.name == name), None))
    others = [folder.as_posix() for folder in folders if folder.name != name]
    return found if found.state == "done" or not others else replace(found, other=others[0])


def _run_name(table: RunTable, row: Row) -> str | None:
    """Name of the folder that the row's next attempt uses; None while a parent is not made."""
    try:
        return run_digest(row, digest_of(table.section(row)), table.parents(row))
    except RunError:
        return None


def _present_state(fresh: Freshness, row: Row, folder: Path | None) -> RunState:
    manifest = fresh.manifest(row.manifest)
    if isinstance(manifest, ManifestError):
        return RunState(row, _unmade(row, manifest)) if folder is None else _open_state(row, folder)
    metadata = manifest.details["metadata"]
    open_state = None if folder is None else _open_state(row, folder, since=metadata["finishedOn"])
    if open_state is not None and open_state.state != "waiting":
        return open_state
    return RunState(
        row,
        _made(fresh.of(row)),
        step=metadata.get("steps"),
        total=metadata.get("steps"),
        steps_per_second=metadata.get("steps_per_second"),
        attempts=metadata.get("attempts"),
    )


def _unmade(row: Row, error: ManifestError) -> str:
    if isinstance(error, UnreadableManifest):
        return "unverified"
    return "stale" if row.manifest.exists() else "waiting"


def _made(found: Finding) -> str:
    if found.verdict == Verdict.UNVERIFIED:
        return "unverified"
    return "done" if found.is_current else "stale"


def _open_state(row: Row, folder: Path, since: str = "") -> RunState:
    """State of an open run; waiting if it is gone or older than ``since``."""
    try:
        attempts = read_json(folder / "run.json")["attempts"]
    except (OSError, ValueError):
        return RunState(row, "waiting")
    last = attempts[-1]
    if last["started"] <= since:
        return RunState(row, "waiting")
    known = {"attempts": len(attempts), "ended": last.get("how")}
    try:
        progress = read_json(folder / "progress.json")
    except (OSError, ValueError):
        return RunState(row, _liveness(last, last["started"]), heartbeat=last["started"], **known)
    heartbeat = max(progress["time"], last["started"])
    speed = progress["steps_per_second"]
    left = (progress["total"] - progress["step"]) / speed if speed > 0 else None
    return RunState(
        row,
        _liveness(last, heartbeat),
        step=progress["step"],
        total=progress["total"],
        steps_per_second=speed,
        seconds_left=left,
        last_return=progress["metrics"].get("return"),
        heartbeat=heartbeat,
        **known,
    )


def _liveness(attempt: Mapping[str, Any], heartbeat: str) -> str:
    if "how" in attempt:
        return "interrupted" if str(attempt["how"]).startswith("stopped by") else "failed"
    return "running" if _age(heartbeat) < STALE_HEARTBEAT_SECONDS else "interrupted"


def _age(heartbeat: str) -> float:
    """Seconds since then; 0 if the clock went back."""
    return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(heartbeat)).total_seconds())


COLUMNS = ("run", "state", "progress", "%", "steps/s", "left", "return", "tries", "last sign")


def status_text(states: list[RunState]) -> str:
    """A table of the runs, how stopped and failed ones ended, and a count of each state."""
    table = [COLUMNS, *map(_cells, states)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for first, second, *others in table:
        parts = [first.ljust(widths[0]), second.ljust(widths[1])]
        parts += [text.rjust(width) for text, width in zip(others, widths[2:], strict=True)]
        lines.append("  ".join(parts).rstrip())
    lines += [f"{item.row.title}: {item.ended}" for item in states if item.ended]
    lines += [f"{item.row.title}: {OTHER} in {item.other}" for item in states if item.other]
    counts = Counter(item.state for item in states)
    lines.append(", ".join(f"{count} {state}" for state, count in counts.items()))
    return "\n".join(lines)


def _cells(item: RunState) -> tuple[str, ...]:
    known = item.total is not None and item.step is not None
    is_open = item.heartbeat is not None
    return (
        item.row.title,
        item.state,
        f"{item.step:,}/{item.total:,}" if known else "",
        f"{100 * (item.step or 0) / item.total:.0f}" if known and item.total else "",
        "" if item.steps_per_second is None else f"{item.steps_per_second:,.0f}",
        _duration(item.seconds_left) if item.state == "running" and item.seconds_left is not None else "",
        "" if item.last_return is None else number(item.last_return),
        "" if item.attempts is None else str(item.attempts),
        f"{_duration(_age(item.heartbeat))} ago" if is_open and item.heartbeat else "",
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s"
