"""What the workflow needs of the run table: inputs and options of each job, and files that let
content decide reruns.

Two things are prepared before a DAG is built. Each configuration section stands in a small file of
its own that the jobs it decides take as an input, so a changed value reruns just those. And file
times, which neither git nor DVC keep, are restored from the manifests wherever content still
matches, so a fresh clone has nothing to do. (What was altered afterwards is for the audit to find.)
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from fpc.core.errors import ConfigError
from fpc.core.files import digest_of, sha256_of, write_text
from fpc.lineage.manifest import Manifest, ManifestError, read
from fpc.workflow.configuration import Configuration, JobResources
from fpc.workflow.loader import load
from fpc.workflow.run_table import FIGURE_SUFFIXES, RESULTS, Row, figure_row, parents, rows, section_of

SECTIONS = RESULTS / ".sections"
TICK = 0.01  # seconds
LONG_AGO = 1_000_000_000  # seconds; older than any artifact


def prepare(scale: str, variant: str | None) -> Configuration:
    """The validated configuration, with section files and file times in order.

    A wrong configuration ends the process with code 2 and one message, before anything is made.
    """
    try:
        configuration = load(scale, variant)
    except ConfigError as error:
        print(f"fpc: {error}", file=sys.stderr, flush=True)
        os._exit(2)  # the workflow engine would turn any exception into code 1 and a traceback
    table = rows(configuration)
    published = {row: manifest for row in table if (manifest := _published(row)) is not None}
    digests = {row: sha256_of(row.manifest) for row in published}
    finished: dict[Row, float] = {}
    for row, manifest in published.items():  # parents before children
        made_from = [parent for parent in parents(configuration, row) if parent in finished]
        finished[row] = _time(manifest, {parent: digests[parent] for parent in made_from}, finished)
        _restore_times(manifest, finished[row])
    for path, group in _sections(table).items():
        _write_section(path, configuration, group, published)
    return configuration


def section_file(row: Row) -> Path:
    """File that holds the configuration section of a row."""
    parts = [part for part in (row.phase, row.method, row.name if row.phase == "figure" else None) if part]
    return SECTIONS / row.label / (row.experiment or "all") / f"{'.'.join(parts)}.json"


def job_inputs(configuration: Configuration, row: Row) -> list[str]:
    """Input files of the job that makes a row: its section and its parents' manifests."""
    made_from = [parent.manifest.as_posix() for parent in parents(configuration, row)]
    return [section_file(row).as_posix(), *made_from]


def files(table: Iterable[Row]) -> list[str]:
    """The files that show that rows are made: manifests, and each figure's pictures and data."""
    found = []
    for row in table:
        found.append(row.manifest.as_posix())
        if row.phase == "figure":
            found += [(row.folder / f"{row.name}{suffix}").as_posix() for suffix in FIGURE_SUFFIXES]
    return found


def figure_inputs(configuration: Configuration, name: str) -> list[str]:
    """Input files of a figure's job."""
    return job_inputs(configuration, figure_row(configuration, name))


def job_resources(configuration: Configuration, phase: str, experiment: str | None = None) -> JobResources:
    """What a job asks of a cluster."""
    domain = None if experiment is None else configuration.experiments[experiment].domain
    return configuration.plan.resources(domain, phase)


def _published(row: Row) -> Manifest | None:
    try:
        return read(row.manifest)
    except ManifestError:
        return None


def _sections(table: Iterable[Row]) -> dict[Path, list[Row]]:
    grouped: dict[Path, list[Row]] = {}
    for row in table:
        grouped.setdefault(section_file(row), []).append(row)
    return grouped


def _write_section(
    path: Path, configuration: Configuration, group: list[Row], published: dict[Row, Manifest]
) -> None:
    """Write a section where it changed; with a time before its artifacts if they were made from it."""
    section = section_of(configuration, group[0])
    text = json.dumps(section, indent=2, sort_keys=True) + "\n"
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        write_text(path, text)
    made = [published[row] for row in group if row in published]
    if made and all(manifest.section_digest == digest_of(section) for manifest in made):
        os.utime(path, (LONG_AGO, LONG_AGO))


def _finished(manifest: Manifest) -> float:
    return datetime.fromisoformat(manifest.details["metadata"]["finishedOn"]).timestamp()


def _time(manifest: Manifest, digests: Mapping[Row, str], finished: Mapping[Row, float]) -> float:
    """When an artifact was finished, as the workflow shall see it, whatever the clock said.

    After the parents it was made from, so that it is not made again; before any that is another one now
    (made again by itself), so that it is.

    Args:
        manifest: the artifact's.
        digests: of the manifests of its parents that are here.
        finished: times of those parents.
    """
    named = manifest.parents
    same = {row for row, digest in digests.items() if named.get(row.manifest.as_posix()) == digest}
    after = max([_finished(manifest), *(finished[row] + TICK for row in same)])
    return min([after, *(finished[row] - TICK for row in digests.keys() - same)])


def _restore_times(manifest: Manifest, finished: float) -> None:
    """Give the manifest, and a figure's files that still match, the time the artifact was finished."""
    _set_time(manifest.path, finished)
    if manifest.path.name == "manifest.json":
        return  # the workflow tracks only the manifest of a run
    for name, digest in manifest.subjects.items():
        file = manifest.path.parent / name
        if file.exists() and sha256_of(file) == digest:
            _set_time(file, finished)


def _set_time(path: Path, seconds: float) -> None:
    if abs(path.stat().st_mtime - seconds) > 0.001:
        os.utime(path, (seconds, seconds))


def closing_words(configuration: Configuration) -> str:
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
