"""Records results in DVC: weights and recordings in its cache, digests in git.

Files of an experiment's phase that are not in git are listed, with their digests, in
``weights/<scale>/<experiment>/<phase>.dvc``. Tables, figures, claims and the report are stages of
``dvc.yaml``, and ``dvc.lock`` has their digests.

The workflow's driver does this after the jobs, never inside one, because DVC locks the whole project. It
runs ``dvc commit -f`` on each of these, with two differences. Only outputs that match their manifests are
recorded. And missing outputs (a run not made yet, weights not pulled) keep their previous record, so a
partial tree can be recorded.

A ``*.dvc`` file also stores the sha256 of the manifest that each run's outputs were recorded with. Weights
of a different run have the same size, so only this shows whether a record of missing outputs is theirs.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from itertools import groupby
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo
from ruamel.yaml import YAML

from fpc.core.errors import ConfigError
from fpc.core.files import sha256_of, write_text
from fpc.lineage.artifact import Row, is_heavy
from fpc.lineage.dvc_lock import MANIFESTS, WEIGHTS, Record, read_record
from fpc.lineage.freshness import Freshness, freshness
from fpc.lineage.manifest import Manifest, read
from fpc.lineage.places import links_of
from fpc.lineage.signing import signature_of
from fpc.workflow.configuration import Configuration
from fpc.workflow.dvc_pipeline import PIPELINE, recorded_scales, stage_name, write_pipeline
from fpc.workflow.run import RunError
from fpc.workflow.run_table import RunTable, rows

SHOWN = 10


def record(configuration: Configuration) -> list[str]:
    """Record the results of a scale; returns a summary, line by line.

    Raises:
        ConfigError: ``dvc.yaml`` has no stages of this scale, a DVC file cannot be read, or the results are
            behind a link.
        RunError: DVC refuses, or something was left out because it, or something it was made from, does
            not match its manifest or the current configuration. Everything else is recorded.
    """
    check_scale(configuration)
    if links := links_of(configuration.label):
        raise ConfigError(
            f"{links[0]} is a link, and git and DVC record nothing behind one; replace it by the folder "
            "itself (link results/.runs or DVC's cache to another disk instead)"
        )
    write_pipeline()
    groups = targets(configuration)
    left_out = unsound(configuration, groups)
    sound = {
        name: group
        for name, group in groups.items()
        if name not in left_out and any(row.manifest.exists() for row in group)
    }
    empty = [
        name for name, group in sound.items() if name.endswith(".dvc") and not list_weights(Path(name), group)
    ]
    try:
        with Repo(".") as repository:
            absent = {
                name: _commit(repository, name, group) for name, group in sound.items() if name not in empty
            }
    except (DvcException, LockError) as error:
        raise RunError(f"DVC: {error}") from error
    done = f"{len(sound)} of {len(groups)} recorded"
    if left_out:
        lines = "\n".join(line for name, reasons in left_out.items() for line in _left_out(name, reasons))
        raise RunError(f"{done}; left out:\n{lines}")
    return [done, *_absent_lines(absent)]


def targets(configuration: Configuration) -> dict[str, list[Row]]:
    """Each unit that DVC records (a stage or a ``*.dvc`` file) -> its rows, parents before children."""
    groups = groupby(rows(configuration), key=lambda row: (row.phase, row.experiment))
    return {_target(configuration.label, *key): list(group) for key, group in groups}


def _target(label: str, phase: str, experiment: str | None) -> str:
    if phase == "evaluate":
        return stage_name(label, "tables", experiment)
    if experiment is None:
        return stage_name(label, "figures" if phase == "figure" else phase)
    return (WEIGHTS / label / experiment / f"{phase}.dvc").as_posix()


def heavy_paths(row: Row) -> list[Path]:
    """Files and folders named by a run's manifest that are not in git.

    Raises:
        ManifestError: the manifest cannot be read.
    """
    names = {name.partition("/")[0] for name in read(row.manifest).subjects if is_heavy(name)}
    return [row.folder / name for name in sorted(names)]


def list_weights(file: Path, group: list[Row]) -> bool:
    """Write the list of outputs in a ``*.dvc`` file: those that are here, and those recorded before.

    Records of runs that have not been made are kept; those of runs no longer configured are dropped.

    Returns:
        Whether there is anything to list; if not, the file is removed.
    """
    known = read_record(file) if file.exists() else Record((), {})
    recorded = {str(out["path"]): out for out in known.outs}
    paths: list[str] = []
    for row in group:
        if row.manifest.exists():
            named = [path.as_posix() for path in heavy_paths(row)]
            paths += [path for path in named if path in recorded or Path(path).exists()]
        else:
            paths += [path for path in recorded if Path(path).parent == row.folder]
    if not paths:
        file.unlink(missing_ok=True)
        return False
    if set(paths) == set(recorded):
        return True
    root = "/".join([".."] * (len(file.parts) - 1))
    outs = [recorded.get(path, {"path": path}) for path in sorted(paths)]
    content = {"wdir": root, "outs": outs, "meta": {MANIFESTS: dict(known.manifests)}}
    stream = io.StringIO()
    YAML().dump(content, stream)
    write_text(file, stream.getvalue())
    return True


def recorded_with(file: Path, group: list[Row]) -> dict[str, str]:
    """Manifest -> sha256, for each run whose outputs a ``*.dvc`` file lists.

    (Missing outputs were recorded with the manifest that is here; otherwise ``unsound`` refuses them.)
    """
    record = read_record(file)
    listed = {Path(out["path"]).parent for out in record.outs}
    found = dict(record.manifests)
    found |= {row.manifest.as_posix(): sha256_of(row.manifest) for row in group if row.manifest.exists()}
    return {path: digest for path, digest in sorted(found.items()) if Path(path).parent in listed}


def unsound(configuration: Configuration, groups: Mapping[str, list[Row]]) -> dict[str, list[str]]:
    """Target -> why it must not be recorded: one of its runs, or of a target that it reads, is unsound.

    (DVC also records the digests of what a stage reads.)
    """
    found: dict[str, list[str]] = {}
    table = RunTable(configuration)
    fresh = freshness(table)
    stage = {row: name for name, group in groups.items() for row in group}
    for name, group in groups.items():  # parents before children
        own = [problem for row in group for problem in problems(fresh, row)]
        read_by = {stage[parent] for row in group for parent in table.parents(row)}
        if own := own or [f"made from {other}" for other in groups if other in read_by and other in found]:
            found[name] = own
    fresh.digests.save()
    return found


def _left_out(name: str, reasons: list[str]) -> list[str]:
    more = [f"    ... and {len(reasons) - SHOWN} more"] if len(reasons) > SHOWN else []
    return [f"  {name}:", *(f"    {reason}" for reason in reasons[:SHOWN]), *more]


def check_scale(configuration: Configuration) -> None:
    """Check that ``dvc.yaml`` has stages of this scale.

    Raises:
        ConfigError: it does not; the text names the command that adds them.
    """
    known = recorded_scales()
    if (configuration.scale, configuration.variant) in known:
        return
    having = ", ".join("+".join(part for part in pair if part) for pair in known) or "none"
    option = f" --variant {configuration.variant}" if configuration.variant else ""
    raise ConfigError(
        f"{PIPELINE} has no stages of scale {configuration.label}. Its scales: {having}. "
        f"Add them: fpc config stages --scale {configuration.scale}{option}"
    )


def _commit(repository: Repo, target: str, group: list[Row]) -> int:
    """Record one target; returns the number of its outputs that are missing."""
    (stage,) = repository.commit(target, force=True, allow_missing=True)
    if target.endswith(".dvc"):
        manifests = recorded_with(Path(target), group)
        if (stage.meta or {}).get(MANIFESTS) != manifests:
            stage.meta = {MANIFESTS: manifests}
            with repository.lock:
                stage.dump()
    return sum(not out.exists for out in stage.outs)


def _absent_lines(absent: Mapping[str, int]) -> Iterator[str]:
    if any(absent.values()):
        yield "not here (not made or not pulled); their previous records, if any, are kept:"
        yield from (f"  {name}: {count} output{'s' * (count > 1)}" for name, count in absent.items() if count)


def problems(fresh: Freshness, row: Row) -> Iterator[str]:
    """Why an artifact must not be recorded; yields nothing if it is current or not made."""
    if not row.manifest.exists():
        if row.name is None and any(_files(row.folder)):
            yield f"{row.folder} has files but no manifest; run the workflow first"
        return
    found, manifest = fresh.of(row), fresh.manifest(row.manifest)
    if not found.is_current:
        yield from (f"{row.manifest}: {reason}" for reason in found.reasons)
    if isinstance(manifest, Manifest):
        yield from _unnamed(row, manifest)
        for path in heavy_paths(row):
            yield from _incomplete(path, {row.folder / name for name in manifest.subjects})


def _unnamed(row: Row, manifest: Manifest) -> Iterator[str]:
    """Files in a run's folder that its manifest does not name."""
    if row.name is None:
        named = {row.folder / name for name in manifest.subjects}
        known = {row.manifest, signature_of(row.manifest), *named}
        for file in sorted(_files(row.folder)):
            if file not in known and not any(part.startswith(".") for part in file.parts):
                yield f"{file} is not named by any manifest; remove it"


def _incomplete(path: Path, named: set[Path]) -> Iterator[str]:
    """An output of which only part is here: DVC would record that part as the whole."""
    whole = {file for file in named if file == path or path in file.parents}
    found = set(_files(path))
    if found and found != whole:
        yield f"{path} has {len(found & whole)} of its {len(whole)} files; dvc checkout restores it"


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        yield from (file for file in path.rglob("*") if file.is_file())
