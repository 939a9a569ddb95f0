"""A method's preparation that takes hours: its checkpoints, and its progress as the runner reports it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

from fpc.core.files import read_json, write_json
from fpc.learners.appo.job import Job
from fpc.retention.interface import Preparation

NOTE_SECONDS = 5.0  # between two notes of a learner in another process

Progress = Callable[[int, int], None]  # parts done, and their total


def preparation_of(job: Job, report: Progress | None) -> Preparation:
    """How the job's method prepares; without ``report`` progress is noted for the runner's process."""
    return Preparation(_folder(job), job.checkpoint_seconds, report or _Note(job).write)


def noted_progress(job: Job) -> float | None:
    """The part of the preparation that the learner has noted as done, from 0 to 1; None without a note."""
    try:
        done, total = read_json(_note_file(job))
    except (OSError, ValueError):
        return None
    return float(done / total)


def forget_preparation(job: Job) -> None:
    """Remove what the preparation saved, once a checkpoint has its result."""
    shutil.rmtree(_folder(job), ignore_errors=True)


def _folder(job: Job) -> Path:
    return Path(job.state) / "preparation"


def _note_file(job: Job) -> Path:
    return _folder(job) / "progress.json"


class _Note:
    def __init__(self, job: Job) -> None:
        self.path, self._written = _note_file(job), 0.0

    def write(self, done: int, total: int) -> None:
        now = time.monotonic()
        if done == total or now - self._written >= NOTE_SECONDS:
            write_json(self.path, [done, total])
            self._written = now
