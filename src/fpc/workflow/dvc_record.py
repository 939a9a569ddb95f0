"""Records in DVC what runs have made: digests in ``dvc.lock``, weights in the cache.

The workflow's driver does this, after the jobs and never inside one: DVC locks the whole project. It is
``dvc commit -f`` of each stage, with two differences. Only what manifests vouch for is recorded. And
outputs that are not here (a run not made yet, weights not pulled) keep the record they have, so a
partial tree can be recorded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo

from fpc.core.errors import ConfigError
from fpc.lineage.artifact import Row
from fpc.lineage.freshness import Freshness, freshness
from fpc.lineage.manifest import Manifest
from fpc.lineage.signing import signature_of
from fpc.workflow.configuration import Configuration
from fpc.workflow.dvc_pipeline import (
    EXPECTED,
    PIPELINE,
    heavy_names,
    recorded_scales,
    stage_rows,
    write_pipeline,
)
from fpc.workflow.run import RunError
from fpc.workflow.run_table import RunTable

SHOWN = 10


def record(configuration: Configuration) -> list[str]:
    """Record the stages of a scale that have been made; returns what was done, in words.

    Raises:
        ConfigError: ``dvc.yaml`` has no stages of this scale.
        RunError: DVC refuses, or some stages were left out: a file is not the one its manifest names, the
            configuration asks for another run now, or they are made from such. All others are recorded.
    """
    check_scale(configuration)
    write_pipeline()
    absent: dict[str, int] = {}
    groups = stage_rows(configuration)
    left_out = unsound(configuration, groups)
    try:
        with Repo(".") as repository:
            for name, group in groups.items():
                if name not in left_out and any(row.manifest.exists() for row in group):
                    absent[name] = _commit(repository, name)
    except (DvcException, LockError) as error:
        raise RunError(f"DVC: {error}") from error
    if left_out:
        lines = "\n".join(line for name, reasons in left_out.items() for line in _left_out(name, reasons))
        raise RunError(f"{len(absent)} stages recorded; left out:\n{lines}")
    return [f"{len(absent)} stages recorded in dvc.lock", *_absent_words(absent)]


def unsound(configuration: Configuration, groups: Mapping[str, list[Row]]) -> dict[str, list[str]]:
    """Stage -> why it must not be recorded: a run of it is not sound, or of a stage that it reads.

    (DVC writes down the digests of what a stage reads as well.)
    """
    found: dict[str, list[str]] = {}
    table = RunTable(configuration)
    fresh = freshness(table)
    stage = {row: name for name, group in groups.items() for row in group}
    for name, group in groups.items():  # parents before children
        own = [problem for row in group for problem in problems(fresh, row)]
        read_by = {stage[parent] for row in group for parent in table.parents(row)}
        own += [f"made from {other}" for other in groups if other in read_by and other in found]
        if own:
            found[name] = own
    fresh.digests.save()
    return found


def _left_out(name: str, reasons: list[str]) -> list[str]:
    more = [f"    ... and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
    return [f"  {name}:", *(f"    {reason}" for reason in reasons[:SHOWN]), *more]


def check_scale(configuration: Configuration) -> None:
    """See that ``dvc.yaml`` has stages of this scale.

    Raises:
        ConfigError: it has not; the text names the command that adds them.
    """
    known = recorded_scales()
    if (configuration.scale, configuration.variant) in known:
        return
    having = ", ".join("+".join(part for part in pair if part) for pair in known) or "none"
    option = f" --variant {configuration.variant}" if configuration.variant else ""
    raise ConfigError(
        f"{PIPELINE} has no stages of scale {configuration.label}. It has those of: {having}. "
        f"Add them: fpc config stages --scale {configuration.scale}{option}"
    )


def _commit(repository: Repo, name: str) -> int:
    """Record one stage; returns how many of its outputs are not here."""
    with repository.lock:
        (stage,) = repository.stage.collect(name)
        stage.save(allow_missing=True, run_cache=False)
        stage.commit(allow_missing=True)
        stage.dump(update_pipeline=False)
    return sum(not out.exists for out in stage.outs)


def _absent_words(absent: Mapping[str, int]) -> Iterator[str]:
    if any(absent.values()):
        yield "not here (not made or not pulled), so these keep the record they had, if any:"
        yield from (f"  {name}: {count} output{'s' * (count > 1)}" for name, count in absent.items() if count)


def problems(fresh: Freshness, row: Row) -> Iterator[str]:
    """Why an artifact must not be recorded; nothing where it is current or not made."""
    heavy = [row.folder / name for name in heavy_names([row]) or EXPECTED.get(row.phase, ())]
    manifest = fresh.manifest(row.manifest)
    if not row.manifest.exists():
        if any(path.exists() for path in heavy):
            yield f"{row.folder} has files but no manifest; run the workflow first"
        return
    found = fresh.of(row)
    if not found.is_current:
        yield from (f"{row.manifest}: {reason}" for reason in found.reasons)
    if isinstance(manifest, Manifest):
        yield from _loose(row, manifest)
        for path in heavy:
            yield from _halved(path, {row.folder / name for name in manifest.subjects})


def _loose(row: Row, manifest: Manifest) -> Iterator[str]:
    """Files in the folder of a run that its manifest does not name."""
    if row.name is None:
        named = {row.folder / name for name in manifest.subjects}
        known = {row.manifest, signature_of(row.manifest), *named}
        for file in sorted(_files(row.folder)):
            if file not in known and not any(part.startswith(".") for part in file.parts):
                yield f"{file} is named by no manifest; remove it"


def _halved(path: Path, named: set[Path]) -> Iterator[str]:
    """An output of which a part is here: DVC would record that part as the whole."""
    whole = {file for file in named if file == path or path in file.parents}
    found = set(_files(path))
    if found and found != whole:
        yield f"{path} has {len(found & whole)} of its {len(whole)} files; dvc checkout restores it"


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file())
