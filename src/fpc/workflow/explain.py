"""Explains why a run would be made, made again or left as it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from fpc.core.errors import ConfigError, unknown
from fpc.lineage.artifact import RESULTS, Row, command, scale_and_variant
from fpc.lineage.freshness import Freshness, freshness
from fpc.lineage.verdict import Finding, Verdict
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import load, scales
from fpc.workflow.run import RUNS
from fpc.workflow.run_table import RunTable, rows
from fpc.workflow.status import OTHER, RunState, states_of

SHOWN = 3  # of many parents


def explain_text(path: Path) -> str:
    """What a row is, whether it would run and why, and what its last attempts left behind.

    Args:
        path: an artifact's folder or manifest, or one of a figure's files, relative to the project.

    Raises:
        ConfigError: no configuration has such an artifact.
    """
    configuration, row = row_of(path)
    table = RunTable(configuration)
    fresh = freshness(table)
    found = fresh.of(row)
    verdict = _words(found, row)
    lines = [f"{row.title} ({configuration.label}) {verdict}.", *(f"- {reason}" for reason in found.reasons)]
    lines += _waiting_for(fresh, table.parents(row)) if not found.is_current else ()
    lines += [line for state in states_of(fresh, table, [row]) for line in _open(state)]
    if found.is_current:
        lines.append("Its files, configuration section and parents match its manifest.")
    elif found.verdict != Verdict.UNVERIFIED:
        lines.append(f"To make it: {command(row)}")
    fresh.digests.save()
    return "\n".join(lines)


def _words(found: Finding, row: Row) -> str:
    if found.is_current:
        return "is done"
    if found.verdict == Verdict.UNVERIFIED:
        return "cannot be judged"
    return "would be made again" if row.manifest.exists() else "would be made"


def row_of(path: Path) -> tuple[Configuration, Row]:
    """The configuration and the row of an artifact.

    Raises:
        ConfigError: there is none; the text names similar ones.
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
    listed = (
        f" Did you mean {' or '.join(near)}?" if near else f" `fpc status --scale {scale}` lists them all."
    )
    raise ConfigError(f"{path}: scale {configuration.label} has no such artifact.{listed}")


def _waiting_for(fresh: Freshness, made_from: Iterable[Row]) -> Iterator[str]:
    """Parents that must be made first."""
    titles = [parent.title for parent in made_from if not fresh.of(parent).is_current]
    if titles:
        more = f" and {len(titles) - SHOWN} more" if len(titles) > SHOWN else ""
        yield f"- waiting for: {', '.join(titles[:SHOWN])}{more}"


def _open(state: RunState) -> Iterator[str]:
    """What an unfinished attempt left behind."""
    if state.other is not None:
        yield f"There is {OTHER} in {state.other}; it is not continued."
    if state.attempts is None or state.state in ("done", "stale", "waiting"):
        return
    where = f"step {state.step:,} of {state.total:,}" if state.step is not None else "its beginning"
    ended = f", {state.ended}" if state.ended else ""
    word = state.state.capitalize()
    yield f"{word}: attempt {state.attempts} was at {where}{ended}; its state is kept in {RUNS}/."
