"""Measures how fast a scale trains on this machine: its own environments, networks and learners, for minutes.

Each kind of training runs in a process of its own, in a temporary folder, and is stopped as a cluster would
stop it; nothing is published. ``fpc plan`` uses the speeds instead of those that the configuration assumes.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from fpc.core import interruption
from fpc.core.device import Device, inspect_gpu
from fpc.core.errors import ConfigError, UserError, unknown
from fpc.core.files import read_json, write_json
from fpc.core.processes import usable_cores
from fpc.domains.registry import load_domain
from fpc.lineage import origin
from fpc.lineage.artifact import Row
from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import device_of
from fpc.workflow.loader import load
from fpc.workflow.run_table import used_experiments
from fpc.workflow.speeds import MeasuredSpeed

METHOD = "vanilla"
START_UP = 1 / 3  # of the time: not counted, as processes start and games begin together
START_SECONDS = 600.0  # until the first steps
STOP_SECONDS = 120.0
RESULT, PHASES, ERRORS = "speed.json", "phases.json", "errors.txt"
Mark = tuple[float, int]  # time in seconds, steps so far


def speed_of_marks(marks: Sequence[Mark]) -> tuple[float, int, float] | None:
    """Steps per second after the start-up, and the steps and seconds behind it; None: too few marks.

    Args:
        marks: time and steps at each report, in ascending order.
    """
    if len(marks) < 2:
        return None
    begin = marks[0][0] + START_UP * (marks[-1][0] - marks[0][0])
    counted = [mark for mark in marks if mark[0] >= begin]
    (first, before), (last, after) = counted[0], counted[-1]
    return ((after - before) / (last - first), after - before, last - first) if last > first else None


@dataclass
class TrialRun:
    """A run that only measures: stops this process's training, as a signal would, after ``limit`` seconds."""

    experiment: str
    folder: Path
    device: Device
    limit: float  # seconds after the first report
    phase: str = "finetune"
    method: str | None = METHOD
    seeds: tuple[int, ...] = (0,)
    seed: int = 0
    checkpoint_seconds: float = 1e9
    externals: dict[str, str] = field(default_factory=dict)
    marks: list[Mark] = field(default_factory=list)
    stopped: bool = False

    @property
    def state(self) -> Path:
        """Folder of the learner's state."""
        return self.folder / "state"

    @property
    def output(self) -> Path:
        """Folder of what is not published."""
        return self.folder / "output"

    @property
    def parents(self) -> Mapping[str, Path]:
        """The untrained pi*."""
        return {"pretrain": self.folder / "pretrain"}

    def note_device(self, name: str) -> None:
        """Nothing: there is no manifest."""

    def report(self, step: int, total: int, **metrics: float) -> None:
        """Note the progress; at the end of the time write the speed and stop."""
        now = time.monotonic()
        if not self.marks or step > self.marks[-1][1]:
            self.marks.append((now, step))
        if self.stopped or now - self.marks[0][0] < self.limit:
            return
        self.stopped = True
        self.write()
        os.kill(os.getpid(), signal.SIGTERM)

    def write(self) -> None:
        """Write the speed, if there is one."""
        if (found := speed_of_marks(self.marks)) is not None:
            write_json(self.folder / RESULT, list(found))


def measured_experiments(configuration: Configuration, only: str | None) -> list[str]:
    """One experiment of each domain (the first), or the given one.

    Raises:
        ConfigError: no such experiment is used.
    """
    used = used_experiments(configuration)
    if only is not None:
        if only not in used:
            raise ConfigError(f"scale {configuration.label}: {unknown('experiment', only, used)}")
        return [only]
    by_domain: dict[str, str] = {}
    for name in used:
        by_domain.setdefault(configuration.experiments[name].domain, name)
    return list(by_domain.values())


def measure(
    configuration: Configuration, experiments: Iterable[str], seconds: float
) -> Iterator[tuple[str, str, dict[str, MeasuredSpeed] | str]]:
    """Measure experiments one after the other.

    Args:
        configuration: the configuration of a scale.
        experiments: their names.
        seconds: how long each trains, start-up excluded.

    Yields:
        Experiment, domain, and either the speed of each phase (none if its training takes minutes anyway) or
        the reason why it could not be measured.
    """
    for name in experiments:
        domain = configuration.experiments[name].domain
        try:
            device = device_of(configuration, Row(configuration.label, "finetune", name, METHOD, (0,)))
        except UserError as error:
            yield name, domain, str(error)
            continue
        with TemporaryDirectory(prefix="fpc-measure-") as folder:
            yield name, domain, _measured(configuration, name, device, seconds, Path(folder))


def _measured(
    configuration: Configuration, experiment: str, device: Device, seconds: float, folder: Path
) -> dict[str, MeasuredSpeed] | str:
    command = [sys.executable, "-m", "fpc.workflow.measuring"]
    arguments = [
        configuration.scale,
        configuration.variant or "",
        experiment,
        device,
        str(seconds),
        str(folder),
    ]
    with (folder / ERRORS).open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            [*command, *arguments], stderr=errors, stdout=errors, start_new_session=True
        )
        try:
            process.wait(START_SECONDS + seconds + STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if process.poll() is None:  # also after Ctrl-C
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    phases = folder / PHASES
    if phases.exists() and not read_json(phases):
        return {}
    if not (folder / RESULT).exists():
        said = (folder / ERRORS).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return said[-1] if said else f"it made no progress within {START_SECONDS:.0f} seconds"
    speed, steps, time_taken = read_json(folder / RESULT)
    found = MeasuredSpeed(
        round(speed, 3),
        steps,
        round(time_taken, 1),
        (inspect_gpu().name or "cuda") if device == "cuda" else "cpu",
        origin.processor() or platform.machine(),
        usable_cores(),
        datetime.now(UTC).isoformat(timespec="seconds"),
        origin.repository().get("commit"),
    )
    return dict.fromkeys(read_json(phases), found)


def run_trial(
    configuration: Configuration, experiment: str, device: Device, seconds: float, folder: Path
) -> None:
    """Train until the time is over; leaves the speed and the phases that it stands for in ``folder``."""
    section = configuration.experiments[experiment]
    domain = load_domain(section.domain)
    run = TrialRun(experiment, folder, device, seconds)
    for needed in (run.state, run.output, *run.parents.values()):
        needed.mkdir(parents=True)
    trial = domain.trial(section, run.parents["pretrain"])
    write_json(folder / PHASES, [] if trial is None else list(trial.phases))
    if trial is None:
        return
    try:
        domain.finetune(trial.experiment, METHOD, configuration.options(experiment, METHOD), run)
        run.write()  # the budget was used up before the time
    except KeyboardInterrupt:
        if not run.stopped:
            raise


def main() -> None:
    """The process that trains; its arguments are those that ``_measured`` gives it."""
    scale, variant, experiment, device, seconds, folder = sys.argv[1:]
    interruption.install()
    configuration = load(scale, variant or None)
    where: Device = "cuda" if device == "cuda" else "cpu"
    run_trial(configuration, experiment, where, float(seconds), Path(folder))


if __name__ == "__main__":
    main()
