"""Records results in DVC: weights and recordings in its cache, digests in git.

Files of an experiment's phase that DVC keeps are listed, with their digests, in
``weights/<scale>/<experiment>/<phase>.dvc``. ``record`` in the configuration says which those are; the
others are not listed, because `dvc pull` fails if the remote lacks a listed file. Tables, figures, claims and
the report are stages of ``dvc.yaml``, and ``dvc.lock`` has their digests.

The workflow's driver does this after the jobs, never inside one, because DVC locks the whole project. It
runs ``dvc commit -f`` on each of these, with two differences. Only outputs that match their manifests are
recorded. And missing outputs (a run not made yet, weights not pulled) keep their previous record, so a
partial tree can be recorded.

A ``*.dvc`` file also stores the sha256 of the manifest of each run, even if none of its files is kept.
Weights of a different run have the same size, so only this shows whether a record of missing outputs is
theirs, and whether a file that is not kept is missing by design.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

from dvc.exceptions import DvcException
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from ruamel.yaml import YAML

from fpc.core.errors import TEMPORARY, ConfigError
from fpc.core.files import sha256_of, write_text
from fpc.lineage.artifact import Row
from fpc.lineage.dvc_lock import MANIFESTS, STORE, Record, read_record, run_folder, weights_record
from fpc.lineage.freshness import Freshness, freshness
from fpc.lineage.manifest import Manifest, heavy_sizes, read
from fpc.lineage.places import links_of
from fpc.lineage.signing import signature_of
from fpc.workflow.configuration import Configuration
from fpc.workflow.dvc_pipeline import PIPELINE, recorded_scales, stage_name, write_pipeline
from fpc.workflow.restoring import restored_after_error
from fpc.workflow.run import RunError
from fpc.workflow.run_table import RunTable, rows

SHOWN = 10


def record(configuration: Configuration) -> list[str]:
    """Record the results of a scale; returns a summary, line by line.

    Raises:
        ConfigError: ``dvc.yaml`` has no stages of this scale, a DVC file cannot be read, or the results are
            behind a link.
        Busy: another command of DVC is at work. What is recorded is whole, but need not be all.
        RunError: DVC refuses, or something was left out because it, or something it was made from, does
            not match its manifest or the current configuration. Everything else is recorded.
    """
    check_scale(configuration)
    if links := links_of(configuration.label):
        raise ConfigError(
            f"{links[0]} is a link, and git and DVC record nothing behind one; replace it by the folder "
            "itself (link results/.runs or DVC's cache to another disk instead)"
        )
    groups = targets(configuration)
    table = RunTable(configuration)
    left_out = unsound(table, groups)
    sound = {
        name: group
        for name, group in groups.items()
        if name not in left_out and any(row.manifest.exists() for row in group)
    }
    absent = {}
    with _locked() as repository:
        dropped = write_pipeline().dropped
        for name, group in sound.items():
            with restored_after_error(Path(name)):  # a *.dvc file is written in two steps
                if not name.endswith(".dvc") or list_weights(Path(name), group, table):
                    absent[name] = _commit(repository, name, group)
    gone = [f"{label}: its stages were dropped, as its configuration file is gone" for label in dropped]
    done = f"{len(sound)} of {len(groups)} recorded"
    if left_out:
        lines = "\n".join(line for name, reasons in left_out.items() for line in _left_out(name, reasons))
        raise RunError("\n".join([f"{done}; left out:", lines, *gone]))
    return [done, *_absent_lines(absent), *gone]


@contextmanager
def _locked() -> Iterator[Repo]:
    """DVC's repository within its lock, which other commands of DVC wait for.

    Raises:
        Busy: another command of DVC is at work.
        RunError: DVC refuses something within the block.
    """
    if not Path(".git").exists():
        raise RunError(
            "this folder is no git clone, which DVC needs: clone the project, copy results/ there, and "
            "record there"
        )
    try:
        with Repo(".") as repository, lock_repo(repository):
            yield repository
    except LockError as error:  # of the project, or of an output that a stage is making
        raise Busy(f"DVC: {error}; then repeat this command") from error
    except DvcException as error:
        raise RunError(f"DVC: {error}") from error


class Busy(RunError):
    """Another command of DVC is at work; repeated later, the same command may succeed."""

    exit_code = TEMPORARY


def targets(configuration: Configuration) -> dict[str, list[Row]]:
    """Each unit that DVC records (a stage or a ``*.dvc`` file) -> its rows, parents before children."""
    own = (row for row in rows(configuration) if row.label == configuration.label)
    groups = groupby(own, key=lambda row: (row.phase, row.experiment))
    return {_target(configuration.label, *key): list(group) for key, group in groups}


def _target(label: str, phase: str, experiment: str | None) -> str:
    if phase == "evaluate":
        return stage_name(label, "tables", experiment)
    if experiment is None:
        return stage_name(label, "figures" if phase == "figure" else phase)
    return weights_record(label, experiment, phase).as_posix()


def kept_paths(table: RunTable, row: Row) -> list[Path]:
    """What DVC keeps of a run: a folder if all of its files are kept, else single files.

    Raises:
        ManifestError: the manifest cannot be read.
    """
    sizes = heavy_sizes(read(row.manifest))
    kept = table.kept(row, sizes)
    parted = {_top(name) for name in sizes.keys() - kept}
    return [
        row.folder / name for name in sorted({name if _top(name) in parted else _top(name) for name in kept})
    ]


def _top(name: str) -> str:
    return name.partition("/")[0]


def list_weights(file: Path, group: list[Row], table: RunTable) -> bool:
    """Write the list of outputs in a ``*.dvc`` file: those kept that are here, and those recorded before.

    Records of runs that have not been made are kept; those of runs no longer configured are dropped.

    Returns:
        Whether there is anything to list, or a manifest to record; if not, the file is removed.
    """
    known = read_record(file) if file.exists() else Record((), {})
    recorded = {str(out["path"]): out for out in known.outs}
    paths: set[str] = set()
    for row in group:
        if row.manifest.exists():
            paths |= {listed for path in kept_paths(table, row) if (listed := _listed(path, recorded))}
        else:
            paths |= {path for path in recorded if run_folder(Path(path)) == row.folder}
    if not paths and not any(heavy_sizes(read(row.manifest)) for row in group if row.manifest.exists()):
        file.unlink(missing_ok=True)
        return False
    if file.exists() and paths == set(recorded):
        return True
    root = "/".join([".."] * (len(file.parts) - 1))
    outs = [recorded.get(path, {"path": path}) for path in sorted(paths)]
    content = {"wdir": root, "outs": outs, "meta": {MANIFESTS: dict(known.manifests)}}
    stream = io.StringIO()
    YAML().dump(content, stream)
    write_text(file, stream.getvalue())
    return True


def _listed(path: Path, recorded: Mapping[str, object]) -> str | None:
    """The output by which a kept file or folder is listed; None if it is neither here nor recorded.

    (If it is not here, its record may be that of a whole folder, from before less of it was kept.)
    """
    if path.exists():
        return path.as_posix()
    return next((known for item in (path, *path.parents) if (known := item.as_posix()) in recorded), None)


def manifests_of(file: Path, group: list[Row]) -> dict[str, str]:
    """Manifest -> sha256, for each of a phase's runs, whether or not any of its files are kept.

    (Missing outputs were recorded with the manifest that is here; otherwise ``unsound`` refuses them.)
    """
    known = read_record(file).manifests
    found = {row.manifest.as_posix(): known.get(row.manifest.as_posix()) for row in group}
    found |= {row.manifest.as_posix(): sha256_of(row.manifest) for row in group if row.manifest.exists()}
    return {path: digest for path, digest in sorted(found.items()) if digest is not None}


def unsound(table: RunTable, groups: Mapping[str, list[Row]]) -> dict[str, list[str]]:
    """Target -> why it must not be recorded: one of its runs, or of a target that it reads, is unsound.

    (DVC also records the digests of what a stage reads.)
    """
    found: dict[str, list[str]] = {}
    fresh = freshness(table)
    stage = {row: name for name, group in groups.items() for row in group}
    for name, group in groups.items():  # parents before children
        own = [problem for row in group for problem in problems(fresh, table, row)]
        # What a variant shares is recorded with its scale.
        read_by = {stage[parent] for row in group for parent in table.parents(row) if parent in stage}
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
        ConfigError: it does not; the text names the command that adds them. Or its records would lie in the
            remote inside the repository.
    """
    if configuration.label == STORE.name:
        raise ConfigError(
            f"scale {configuration.label} cannot be recorded: {STORE} is DVC's remote; rename the scale"
        )
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
        manifests = manifests_of(Path(target), group)
        if (stage.meta or {}).get(MANIFESTS) != manifests:
            stage.meta = {MANIFESTS: manifests}
            stage.dump()
    return sum(not out.exists for out in stage.outs)


def _absent_lines(absent: Mapping[str, int]) -> Iterator[str]:
    if any(absent.values()):
        yield "not here (not made or not pulled); their previous records, if any, are kept:"
        yield from (f"  {name}: {count} output{'s' * (count > 1)}" for name, count in absent.items() if count)


def problems(fresh: Freshness, table: RunTable, row: Row) -> Iterator[str]:
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
        for path in kept_paths(table, row):
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
