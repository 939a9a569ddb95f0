"""What went wrong in a workflow: the end of each failed job's log, and the command that reruns it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fpc.core.errors import TEMPORARY
from fpc.lineage.artifact import RESULTS, Row, command, seeds_name
from fpc.workflow.configuration import Configuration
from fpc.workflow.status import run_states

LINES = 12
FIRST_SIGNAL = 128  # a shell's exit codes from here on: killed by a signal, or stopped by one


def log_of(row: Row) -> Path:
    """The log file of a row's job."""
    logs = RESULTS / ".logs" / row.label
    if row.phase == "figure":
        return logs / "figure" / f"{row.name}.log"
    if row.experiment is None:
        return logs / f"{row.phase}.log"
    parts = [row.experiment, row.phase, row.method]
    return logs.joinpath(*(part for part in parts if part)) / f"{seeds_name(row.seeds)}.log"


def exit_code(log: Path, since: float) -> int | None:
    """Exit code of the command that wrote a log (``workflow/scripts/job.sh``).

    Args:
        log: the job's log.
        since: seconds; what ended earlier belongs to another workflow.

    Returns:
        None if the command did not end by itself: its whole job was killed, or never started.
    """
    record = log.with_name(f"{log.name}.code")
    try:
        recent = record.stat().st_mtime >= since
        return int(record.read_text(encoding="ascii")) if recent else None
    except (OSError, ValueError):
        return None


def allowed_retries(allowed: int, codes: Sequence[int | None]) -> int:
    """How often a failed job may be started again.

    A time limit, a lost node or a signal says nothing about the run, which continues from its checkpoint; nor
    does the code ``TEMPORARY``. An error of the program itself (no GPU, a missing file) would come again.

    Args:
        allowed: the workflow's setting.
        codes: exit code of each of the job's commands, None where it did not end by itself.
    """
    failed = [code for code in codes if code != 0]
    own_errors = [code for code in failed if code is not None and code < FIRST_SIGNAL and code != TEMPORARY]
    return 0 if failed and own_errors == failed else allowed


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
