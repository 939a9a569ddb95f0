"""What Snakemake needs from the run table: inputs and resources of each job, and what is current.

Two things are prepared before a DAG is built. Each configuration section is written to its own small file,
which is an input of the jobs that depend on it. And file times, which neither git nor DVC keep, are set by
content: a current artifact gets the time at which it was finished, later than its section and parents; an
outdated one gets a time earlier than its section's file, which then says why. So Snakemake makes exactly
what :mod:`fpc.lineage.freshness` says is not current.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fpc.core.errors import ConfigError, UserError
from fpc.core.file_errors import check_writable, remedy_of
from fpc.core.files import write_bytes, write_text
from fpc.lineage.artifact import RESULTS, RUN_PHASES, Row
from fpc.lineage.freshness import freshness
from fpc.lineage.manifest import Manifest
from fpc.lineage.places import check_kinds, wrong_kind
from fpc.lineage.verdict import Finding, Verdict
from fpc.workflow.configuration import Configuration
from fpc.workflow.inputs import missing_inputs, missing_text
from fpc.workflow.job_resources import RESOURCES, JobResources
from fpc.workflow.loader import load
from fpc.workflow.run_table import RunTable, figure_row, parents
from fpc.workflow.snakemake_options import (
    check_experiment,
    check_folder,
    check_given_once,
    check_targets,
    choices,
)

SECTIONS = RESULTS / ".sections"
SNAKEMAKE = Path(".snakemake")
TICK = 0.01  # seconds
# Key of `--config`, which a profile may set -> environment variable of the jobs; neither affects results.
SETTINGS = {"checkpoint_seconds": "FPC_CHECKPOINT_SECONDS", "heartbeat_seconds": "FPC_HEARTBEAT_SECONDS"}
LONG_AGO = 1_000_000_000  # seconds; older than any artifact


def prepare(config: Mapping[str, Any], words: Sequence[str] = ()) -> Configuration:
    """The validated configuration; also writes section files and sets file times.

    A wrong choice, configuration or DVC file ends the process with one message, and so does a checkout in
    which nothing can be written; nothing is made.

    Args:
        config: Snakemake's ``config``: what was chosen on the command line.
        words: the command's words, in the process that a person started.
    """
    code = 2
    try:
        check_folder(Path.cwd())
        check_given_once(words)
        chosen = choices(config, tuple(SETTINGS))
        _set_job_settings(config)
        configuration = load(chosen.get("scale", "demo"), chosen.get("variant"))
        table = RunTable(configuration)
        tables = {str(row.experiment): None for row in table.rows() if row.phase == "evaluate"}
        check_experiment(chosen.get("experiment"), words, tables)
        check_targets(words[1:], configuration)
        if words:  # a job looks at the places of its own run alone
            check_kinds(file for row in table.rows() for file in row.shown_by)
        _prepare(table)
        return configuration
    except UserError as error:
        message, code = str(error), error.exit_code
    except OSError as error:
        if (found := remedy_of(error) or wrong_kind(error)) is None:
            raise
        message = found
    print(f"fpc: {message}", file=sys.stderr, flush=True)
    os._exit(code)  # Snakemake would turn any exception into code 1 and a traceback


def _prepare(table: RunTable) -> None:
    """Write section files and set file times."""
    for folder in (SNAKEMAKE, SECTIONS, RESULTS / table.label):
        check_writable(folder)  # Snakemake's own error is a traceback
    fresh = freshness(table)
    outdated: dict[Row, Finding] = {}
    finished: dict[Row, float] = {}
    for row in table.rows():  # parents before children
        manifest = fresh.manifest(row.manifest)
        found = fresh.of(row)
        if found.verdict == Verdict.UNVERIFIED:  # making it again would replace what is perhaps right
            raise ConfigError(f"{found.artifact}: {found.reasons[0]}")
        if found.is_current and isinstance(manifest, Manifest):
            finished[row] = _time(manifest, [finished[parent] for parent in table.parents(row)])
            _restore_times(manifest, finished[row])
        elif row.manifest.exists():
            outdated[row] = found
            _set_time(row.manifest, LONG_AGO - 1)
    for path, group in _sections(table.rows()).items():
        _write_section(path, table.section(group[0]), [outdated[row] for row in group if row in outdated])
    fresh.digests.save()


def _set_job_settings(settings: Mapping[str, Any]) -> None:
    """Hand what ``--config`` says about saving to the jobs, through the environment, which wins itself.

    Raises:
        ConfigError: a value is not a positive number.
    """
    for name, variable in SETTINGS.items():
        if name not in settings:
            continue
        try:
            valid = not isinstance(settings[name], bool) and 0 < float(settings[name]) < float("inf")
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise ConfigError(f"--config {name} must be a positive number, not {settings[name]!r}")
        os.environ.setdefault(variable, str(settings[name]))


def section_file(row: Row) -> Path:
    """File that holds the configuration section of a row."""
    parts = [part for part in (row.phase, row.method, row.name if row.phase == "figure" else None) if part]
    return SECTIONS / row.label / (row.experiment or "all") / f"{'.'.join(parts)}.json"


def job_inputs(configuration: Configuration, row: Row) -> list[str]:
    """Input files of the job that makes a row: its section and its parents' manifests."""
    made_from = [parent.manifest.as_posix() for parent in parents(configuration, row)]
    return [section_file(row).as_posix(), *made_from]


def files(table: Iterable[Row]) -> list[str]:
    """The files that show that rows are made: manifests, and each figure's images and data."""
    return [file.as_posix() for row in table for file in row.shown_by]


def figure_inputs(configuration: Configuration, name: str) -> list[str]:
    """Input files of a figure's job."""
    return job_inputs(configuration, figure_row(configuration, name))


def job_resources(
    configuration: Configuration, phase: str, experiment: str | None = None
) -> dict[str, int | str]:
    """What a job requests from a cluster, under Snakemake's names; what it does not request is left out."""
    asked = _asked(configuration, phase, experiment)
    found = {name: getattr(asked, own) for name, own in RESOURCES.items()}
    return {name: value for name, value in found.items() if value is not None}


def resource_names(configuration: Configuration, phase: str) -> set[str]:
    """Snakemake's names of the resources that some job of a phase requests."""
    experiments = list(configuration.experiments) if phase in RUN_PHASES else [None]
    return {name for experiment in experiments for name in job_resources(configuration, phase, experiment)}


def is_shared(configuration: Configuration, phase: str, experiment: str) -> bool:
    """Whether runs of a phase share cluster jobs."""
    return _asked(configuration, phase, experiment).shared


def _asked(configuration: Configuration, phase: str, experiment: str | None) -> JobResources:
    domain = None if experiment is None else configuration.experiments[experiment].domain
    return configuration.plan.resources(domain, phase)


def _sections(table: Iterable[Row]) -> dict[Path, list[Row]]:
    grouped: dict[Path, list[Row]] = {}
    for row in table:
        grouped.setdefault(section_file(row), []).append(row)
    return grouped


def _write_section(path: Path, section: Mapping[str, Any], outdated: list[Finding]) -> None:
    """Write a section's file if it changed, with the reasons why artifacts are to be made again.

    Snakemake compares digests of inputs whose times differ, so the text must differ from any earlier one.
    """
    content = dict(section)
    if outdated:
        reasons = {item.artifact.as_posix(): list(item.reasons) for item in outdated}
        content["made again"] = {"noticed": datetime.now(UTC).isoformat(), "because": reasons}
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    _set_time(path, LONG_AGO)


def _finished(manifest: Manifest) -> float:
    return datetime.fromisoformat(manifest.details["metadata"]["finishedOn"]).timestamp()


def _time(manifest: Manifest, parents: Iterable[float]) -> float:
    """File time of a finished artifact: later than its parents, whatever the clock said.

    Args:
        manifest: the artifact's manifest.
        parents: file times of its parents.
    """
    return max([_finished(manifest), LONG_AGO + TICK, *(time + TICK for time in parents)])


def _restore_times(manifest: Manifest, finished: float) -> None:
    """Set the time of the manifest, and of a figure's files, to when the artifact was finished."""
    _set_time(manifest.path, finished)
    if manifest.path.name == "manifest.json":
        return  # Snakemake tracks only the manifest of a run
    for name in manifest.subjects:
        _set_time(manifest.path.parent / name, finished)


def _set_time(path: Path, seconds: float) -> None:
    with suppress(FileNotFoundError):  # a job may be replacing it
        if abs(path.stat().st_mtime - seconds) <= 0.001:
            return
        try:
            os.utime(path, (seconds, seconds))
        except PermissionError:  # another member of a group made it, and only the owner may set a file's time
            write_bytes(path, path.read_bytes())
            os.utime(path, (seconds, seconds))


def check_inputs(configuration: Configuration, jobs: Iterable[tuple[str | None, str]]) -> None:
    """Check, before the first job starts, that the third-party inputs of all jobs are there.

    Args:
        configuration: the configuration.
        jobs: experiment (None if it has none) and phase of each job to run.

    Raises:
        UserError: some are missing; the text lists them all, with the commands that get them.
    """
    if missing := missing_inputs(configuration, jobs):
        raise UserError(missing_text(f"scale {configuration.label}", missing))


def closing_message(configuration: Configuration) -> str:
    """Where to find what the workflow made."""
    folder = RESULTS / configuration.label
    return "\n".join(
        [
            f"figures  {folder / 'figures'}/*.svg, .png and the plotted data as .csv",
            f"tables   {folder}/<experiment>/evaluate/<method>/<seed>/episodes.parquet",
            f"claims   {folder / 'claims.md'}",
            f"report   {folder / 'report.html'}",
        ]
    )
