"""A run: one phase working on one row of the run table, resumable until it is published.

A run's state and output are in ``results/.runs/<digest>/``, keyed by configuration section and parents, so
the same command finds them again and another configuration never does. Publishing moves the output, with
its manifest, to the artifact's folder (:mod:`fpc.workflow.publishing`) and removes the state.
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from filelock import Timeout

from fpc.core.device import Device
from fpc.core.errors import TEMPORARY, ConfigError, UserError
from fpc.core.file_errors import check_writable
from fpc.core.files import digest_of, sha256_of, write_json
from fpc.core.numbers import number
from fpc.lineage import manifest as manifests
from fpc.lineage import origin
from fpc.lineage.artifact import RESULTS, Row, command
from fpc.lineage.places import check_kinds
from fpc.workflow import attempts
from fpc.workflow import tensorboard as events
from fpc.workflow.entry_points import entry_points
from fpc.workflow.publishing import Diverged, check_finite, replace_files, replace_folder
from fpc.workflow.run_lock import acquired, empty, remove_empty

RUNS = RESULTS / ".runs"
TRAINING_PHASES, WEIGHTS = ("pretrain", "finetune"), ".safetensors"
STATE_FORMAT = 2  # raise it when checkpoints of earlier code cannot be continued


class RunError(UserError):
    """A run cannot start; the text names the file and how to fix it."""


class RunHeld(RunError):
    """Another process holds the run; the text names it."""

    exit_code = TEMPORARY


def _seconds(variable: str, default: str) -> float:
    text = os.environ.get(variable, default)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ConfigError(f"{variable} must be a number of seconds, such as {default}, not {text!r}")
    return seconds


@dataclass
class Run:
    """One phase working on one row; see ``fpc.domains.interface.Domain`` for how it is used."""

    scale: str
    experiment: str
    phase: str
    method: str | None
    seeds: tuple[int, ...]
    state: Path  # resumable, kept until published
    output: Path  # becomes the artifact's folder
    parents: Mapping[str, Path] = field(default_factory=dict)  # phase -> published folder
    # External inputs that this run reads: address -> sha256; added by the domain, named in the manifest.
    externals: dict[str, str] = field(default_factory=dict)
    device: Device = "cpu"  # where networks run, from `plan.jobs`
    attempt: int = 1  # from 1; later attempts resume from the state of the previous one
    resumed_from: int | None = None
    # At most this much training is lost if killed; it does not affect results, so it is not configuration.
    checkpoint_seconds: float = field(default_factory=partial(_seconds, "FPC_CHECKPOINT_SECONDS", "60"))
    heartbeat_seconds: float = field(default_factory=partial(_seconds, "FPC_HEARTBEAT_SECONDS", "1"))
    _devices: set[str] = field(default_factory=set)
    _started: float = field(default_factory=time.monotonic)
    _first_step: int | None = None
    _last: tuple[float, int] = (float("-inf"), 0)  # when the last report was written, and the last step
    _bar: Any = None

    @property
    def seed(self) -> int:
        """The run's only seed."""
        (seed,) = self.seeds
        return seed

    def note_device(self, name: str) -> None:
        """Note the name of a device that networks were run on, for the manifest."""
        if name not in self._devices:
            self._devices.add(name)
            attempts.note(self.state.parent, devices=sorted(self._devices))

    def report(self, step: int, total: int, **metrics: float) -> None:
        """Report progress; cheap enough to call every episode (written every ``heartbeat_seconds``)."""
        now = time.monotonic()
        if self._first_step is None:
            self._first_step = step if self.attempt > 1 else 0
            self.resumed_from = self._first_step or None
        with suppress(OSError):  # the terminal was closed
            self._show(step, total, metrics)
        written, _ = self._last
        self._last = (written, step)
        if now - written < self.heartbeat_seconds and step < total:
            return
        self._last = (now, step)
        # Weights that are not finite are found when the run is published; a report of them must not end it.
        finite = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
        progress = {
            "time": attempts.now(),
            "step": step,
            "total": total,
            "steps_per_second": self.steps_per_second(),
            "metrics": finite,
            "process": os.getpid(),
        }
        write_json(self.state.parent / "progress.json", progress, durable=False)
        if finite:
            events.append(self.output, step, finite)

    def steps_per_second(self) -> float:
        """Steps per second since this attempt's first report."""
        elapsed = time.monotonic() - self._started
        return (self._last[1] - (self._first_step or 0)) / elapsed if elapsed > 0 else 0.0

    def _show(self, step: int, total: int, metrics: Mapping[str, float]) -> None:
        if not sys.stderr.isatty():
            return
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=step, unit="step", desc=f"{self.phase} {self.experiment}")
        self._bar.update(step - self._bar.n)
        if metrics:
            self._bar.set_postfix({name: number(value) for name, value in metrics.items()}, refresh=False)

    def close(self) -> None:
        """Finish the progress bar."""
        with suppress(OSError):
            if self._bar is not None:
                self._bar.close()


def run_digest(row: Row, section_digest: str, parents: list[Row]) -> str:
    """Name of the run's folder, determined by its row, configuration section, parents and state format.

    Raises:
        RunError: a parent is not published yet.
    """
    return _folder_name(row, section_digest, _manifest_digests(parents))


def _manifest_digests(parents: Iterable[Row]) -> dict[Path, str]:
    """Manifest -> sha256 of each parent.

    Raises:
        RunError: a parent is not published yet.
    """
    found = {}
    for parent in parents:
        if not parent.manifest.exists():
            raise RunError(f"{parent.manifest} is missing; run this first: {command(parent)}")
        found[parent.manifest] = sha256_of(parent.manifest)
    return found


def _folder_name(row: Row, section_digest: str, made_from: Mapping[Path, str]) -> str:
    named = {path.as_posix(): digest for path, digest in made_from.items()}
    key = {"row": row.identity, "section": section_digest, "parents": named, "state_format": STATE_FORMAT}
    return digest_of(key)[:24]


@contextmanager
def open_run(
    row: Row, section: Mapping[str, Any], parents: list[Row], device: Device = "cpu"
) -> Iterator[Run]:
    """Lock the run's folder, yield the run, and publish its output if the block succeeds.

    Raises:
        RunError: a parent is missing, or was replaced meanwhile.
        RunHeld: another process holds the run.
        ConfigError: the artifact's folder is on a disk that is not there, or a file is in its place.
        OSError: nothing can be written there.
    """
    made_from = _manifest_digests(parents)
    # Not after all the training:
    check_writable(row.folder.parent)
    check_kinds(row.shown_by)
    folder = RUNS / _folder_name(row, digest_of(section), made_from)
    run = Run(
        scale=row.label,
        experiment=row.experiment or "",
        phase=row.phase,
        method=row.method,
        seeds=row.seeds,
        state=folder / "state",
        output=folder / "output",
        parents={parent.phase: parent.folder for parent in parents},
        device=device,
    )
    try:
        lock = acquired(folder)
    except Timeout as error:
        raise RunHeld(
            f"{folder}: another process is working on this run ({attempts.holder(folder)}); "
            "wait for it, or stop it and run the same command again"
        ) from error
    is_emptied = False
    try:
        for needed in (run.state, run.output):
            needed.mkdir(parents=True, exist_ok=True)
        origin.repository()  # now, because the code may be replaced during the run
        code = origin.code_of(entry_points(row, section))
        for pattern in (".*.tmp", ".tmp*"):  # from a write that was killed: our names, and safetensors'
            for leftover in folder.rglob(pattern):
                leftover.unlink()
        begun = attempts.begin(folder, row)
        run.attempt = len(begun)
        yield run
        run.close()
        events.from_table(run.output)
        history = _history(run, begun)
        _publish(row, run, section, made_from, history, code)
        empty(folder)
        is_emptied = True
    except BaseException as error:
        run.close()
        attempts.note_end(folder, error)
        if isinstance(error, Diverged):
            empty(folder)  # nothing can be continued from there
            is_emptied = True
        raise
    finally:
        lock.release()
        if is_emptied:
            remove_empty(folder)


def forget(row: Row, section: Mapping[str, Any], parents: list[Row]) -> None:
    """Remove what a run that was killed after publishing left behind."""
    folder = RUNS / run_digest(row, digest_of(section), parents)
    if not folder.exists():
        return
    try:
        lock = acquired(folder)
    except Timeout:
        return  # the process that holds it is about to do this
    empty(folder)
    lock.release()
    remove_empty(folder)


def _history(run: Run, begun: list[dict[str, Any]]) -> dict[str, Any]:
    """Times, attempts and speed for the manifest."""
    history: dict[str, Any] = {
        "startedOn": begun[0]["started"],
        "finishedOn": attempts.now(),
        "attempts": len(begun),
        "commits": sorted({attempt["commit"] for attempt in begun if "commit" in attempt}),
        "seconds": round(time.monotonic() - run._started, 3),
    }
    if run.resumed_from is not None:
        history["resumed_from_step"] = run.resumed_from
    if run._last[1]:
        history["steps"] = run._last[1]
        history["steps_per_second"] = round(run.steps_per_second(), 3)
    return history


def _publish(
    row: Row,
    run: Run,
    section: Mapping[str, Any],
    parents: Mapping[Path, str],
    history: Mapping[str, Any],
    code: origin.Code,
) -> None:
    """Write the manifest and move the output to the artifact's folder."""
    files = [
        path
        for path in run.output.rglob("*")
        if path.is_file() and not path.relative_to(run.output).parts[0].startswith(".")
    ]
    if not files:
        raise RunError(f"{row.title}: the phase wrote no files")
    if row.phase in TRAINING_PHASES:
        check_finite((path for path in files if path.suffix == WEIGHTS), row.title)
    for manifest, digest in parents.items():
        if not manifest.exists() or sha256_of(manifest) != digest:
            raise RunError(f"{row.title}: its parent was made again while it ran ({manifest}); run it again")
    statement = manifests.build(
        run=row.identity,
        section=section,
        subjects=manifests.subject(run.output, [path for path in files if path.name != row.manifest.name]),
        parents=parents,
        externals=run.externals,
        history=history,
        code=code,
        devices=attempts.devices(run.state.parent),
    )
    write_json(run.output / row.manifest.name, statement)
    if row.name is None:
        replace_folder(run.output, row.folder)
    else:
        replace_files(run.output, row)
