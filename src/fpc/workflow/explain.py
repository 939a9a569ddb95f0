"""Why a run would be made, made again, or not: what the workflow decides, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from fpc.core.errors import ConfigError, unknown
from fpc.core.files import sha256_of
from fpc.lineage.diff import changes
from fpc.lineage.manifest import Manifest, ManifestError, read
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import load, scales
from fpc.workflow.run import RUNS, command
from fpc.workflow.run_table import RESULTS, Row, parents, rows, scale_and_variant, section_of
from fpc.workflow.status import RunState, run_states

SHOWN = 3  # of many parents


def explain_text(path: Path) -> str:
    """What a row is, whether it would run and why, and what is left of its last attempts.

    Args:
        path: an artifact's folder or manifest, or a file of a figure, relative to the project.

    Raises:
        ConfigError: no configuration has such an artifact.
    """
    configuration, row = row_of(path)
    reasons = list(reasons_to_run(configuration, row))
    verdict = (
        "would be made" if not row.manifest.exists() else "would be made again" if reasons else "is done"
    )
    lines = [f"{row.title} ({configuration.label}) {verdict}.", *(f"- {reason}" for reason in reasons)]
    state = next(item for item in run_states(configuration, [row]))
    lines += _open(state)
    if verdict == "is done":
        lines.append("Its configuration section and its parents are those that its manifest names.")
        lines += _absent(row)
    else:
        lines.append(f"To make it: {command(row)}")
    return "\n".join(lines)


def row_of(path: Path) -> tuple[Configuration, Row]:
    """The configuration and the row of an artifact.

    Raises:
        ConfigError: there is none; the text names what is near.
    """
    parts = path.parts
    if len(parts) < 3 or parts[0] != RESULTS.name:
        raise ConfigError(f"{path}: give an artifact below {RESULTS}/<scale>/")
    scale, variant = scale_and_variant(parts[1])
    if scale not in scales():
        raise ConfigError(f"{path}: {unknown('scale', scale, scales())}")
    configuration = load(scale, variant)
    known: dict[str, Row] = {}
    for row in rows(configuration):
        known[row.manifest.as_posix()] = row
        known[(row.folder if row.name is None else row.folder / row.name).as_posix()] = row
    for candidate in (path, path.with_suffix(""), path / "manifest.json"):
        if (found := known.get(candidate.as_posix())) is not None:
            return configuration, found
    near = get_close_matches(path.as_posix(), known, n=3)
    listed = f" Did you mean {' or '.join(near)}?" if near else f" `fpc status --scale {scale}` lists all."
    raise ConfigError(f"{path}: scale {configuration.label} has no such artifact.{listed}")


def reasons_to_run(configuration: Configuration, row: Row) -> Iterator[str]:
    """Every reason to make a row, in words; none where it is done."""
    try:
        manifest = read(row.manifest)
    except ManifestError as error:
        yield f"{row.manifest} does not exist" if not row.manifest.exists() else str(error)
        yield from _missing_parents(configuration, row)
        return
    yield from _changed_section(manifest, section_of(configuration, row))
    yield from _changed_parents(configuration, row, manifest)


def _missing_parents(configuration: Configuration, row: Row) -> Iterator[str]:
    missing = [parent.title for parent in parents(configuration, row) if not parent.manifest.exists()]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        yield f"made first must be: {', '.join(missing[:SHOWN])}{more}"


def _changed_section(manifest: Manifest, section: Mapping[str, Any]) -> Iterator[str]:
    for key, then, now in changes(manifest.definition["externalParameters"]["section"], section):
        if not now:
            yield f"configuration: {key} was {then[0]!r} and is gone"
        elif not then:
            yield f"configuration: {key} is new, {now[0]!r}"
        else:
            yield f"configuration: {key} was {then[0]!r}, is {now[0]!r}"


def _changed_parents(configuration: Configuration, row: Row, manifest: Manifest) -> Iterator[str]:
    expected = {parent.manifest.as_posix(): parent for parent in parents(configuration, row)}
    for uri in manifest.parents.keys() - expected.keys():
        yield f"it was made from {uri}, which is not its parent any more"
    for uri, parent in expected.items():
        if uri not in manifest.parents:
            yield f"{parent.title} is a new parent"
        elif not parent.manifest.exists():
            yield f"its parent is not here: {parent.title}"
        elif sha256_of(parent.manifest) != manifest.parents[uri]:
            yield f"its parent was made again since: {parent.title}"


def _absent(row: Row) -> Iterator[str]:
    """Files that the workflow does not ask for, such as weights that were not pulled."""
    subjects = read(row.manifest).subjects
    absent = [name for name in subjects if not (row.folder / name).exists()]
    if absent:
        yield f"{len(absent)} of its {len(subjects)} files are not here ({absent[0]}); dvc pull fetches them."


def _open(state: RunState) -> Iterator[str]:
    """What an unfinished attempt left."""
    if state.attempts is None or state.state in ("done", "stale", "waiting"):
        return
    where = f"step {state.step:,} of {state.total:,}" if state.step is not None else "its beginning"
    ended = f", {state.ended}" if state.ended else ""
    word = state.state.capitalize()
    yield f"{word}: attempt {state.attempts} was at {where}{ended}; its state is kept in {RUNS}/."
