"""What went wrong in a workflow: the end of each failed job's log, and the command that reruns it."""

from __future__ import annotations

from pathlib import Path

from fpc.lineage.artifact import RESULTS, Row, command, seeds_name
from fpc.workflow.configuration import Configuration
from fpc.workflow.status import run_states

LINES = 12


def log_of(row: Row) -> Path:
    """The log file of a row's job."""
    logs = RESULTS / ".logs" / row.label
    if row.phase == "figure":
        return logs / "figure" / f"{row.name}.log"
    if row.experiment is None:
        return logs / f"{row.phase}.log"
    parts = [row.experiment, row.phase, row.method]
    return logs.joinpath(*(part for part in parts if part)) / f"{seeds_name(row.seeds)}.log"


def failure_text(configuration: Configuration, since: float) -> str:
    """For every unfinished job that logged after ``since`` (seconds): end of its log, and its command."""
    parts = []
    for item in run_states(configuration):
        log = log_of(item.row)
        if item.state == "done" or not log.exists() or log.stat().st_mtime < since:
            continue
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        if item.state == "running" and not (lines and lines[-1].startswith("fpc: ")):
            continue  # still running; or refused, because another process holds the run
        head = f"{item.row.title}: {item.ended or 'the run did not start'}"
        tail = [f"  | {line}" for line in lines[-LINES:]]
        parts.append("\n".join([head, f"  {log}:", *tail, f"  again: {command(item.row)}"]))
    parts.append("Run the same command again to continue where it stopped.")
    return "\n\n".join(parts)
