"""Compares DVC's records of weights and data with the manifests."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from fpc.core.errors import ConfigError
from fpc.lineage.artifact import SEEDS, is_heavy
from fpc.lineage.digests import Digests
from fpc.lineage.manifest import Manifest
from fpc.lineage.verdict import Check, Finding, Verdict, unreadable

DVC_LOCK = Path("dvc.lock")
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
WEIGHTS = Path("weights")
STORE = WEIGHTS / "store"  # the remote inside the repository, see .dvc/config
MANIFESTS = "manifests"  # key in `meta` of a `*.dvc` file; DVC leaves `meta` as it is
REMEDY_WEIGHTS = "`dvc checkout` restores the recorded one; if the one here is right, `fpc record` records it"
REMEDY_IN_GIT = "`git checkout` restores the recorded one; if the one here is right, `fpc record` records it"


@dataclass(frozen=True)
class Output:
    """One output of a stage: a file, or a folder (``md5`` then ends in ``.dir``).

    ``folder``: of a run's output, the run's folder; else the folder that it lies in.
    ``manifest``: of weights, the sha256 of the manifest that they were recorded with; None without.
    """

    path: Path
    folder: Path
    md5: str
    size: int
    source: Path
    manifest: str | None = None

    @property
    def name(self) -> str:
        """Its path below ``folder``, as in a manifest."""
        return self.path.relative_to(self.folder).as_posix()


@dataclass(frozen=True)
class Record:
    """The content of a DVC file; ``manifests``: path of a manifest -> sha256, see ``Output``."""

    outs: Sequence[Mapping[str, Any]]
    manifests: Mapping[str, str]


@dataclass(frozen=True)
class Records:
    """What all DVC files record.

    ``outputs``: by ``Output.folder``. ``manifests``: manifest -> DVC file -> sha256 that it records, also of
    runs of which no file is kept.
    """

    outputs: Mapping[Path, Sequence[Output]]
    manifests: Mapping[Path, Mapping[Path, str]]


@dataclass(frozen=True)
class Absence:
    """Names of an artifact's files that are not here, by why they are not.

    ``fetchable``: DVC has a record of them made with this very manifest. ``unkept``: not kept, by the rule
    in the configuration, and a DVC file records this very manifest. ``lost``: neither.
    """

    fetchable: tuple[str, ...]
    unkept: tuple[str, ...]
    lost: tuple[str, ...]


def weights_record(label: str, experiment: str, phase: str) -> Path:
    """The DVC file of a phase whose weights and data are kept, which ``dvc pull`` accepts."""
    return WEIGHTS / label / experiment / f"{phase}.dvc"


def read_lock(lock: Path = DVC_LOCK, weights: Path = WEIGHTS) -> Records:
    """What ``dvc.lock`` and ``weights/**.dvc`` record; nothing if there are none.

    Raises:
        ConfigError: one of them is not a valid DVC file.
    """
    outputs: dict[Path, list[Output]] = {}
    manifests: dict[Path, dict[Path, str]] = {}
    for source in [*([lock] if lock.exists() else []), *sorted(weights.rglob("*.dvc"))]:
        try:
            record = read_record(source)
            for name, digest in record.manifests.items():
                manifests.setdefault(Path(name), {})[source] = str(digest)
            for out in record.outs:
                if "md5" in out:
                    _check_md5(str(out["md5"]))
                    path = Path(out["path"])
                    folder = run_folder(path)
                    manifest = record.manifests.get(f"{folder.as_posix()}/manifest.json")
                    item = Output(path, folder, str(out["md5"]), int(out["size"]), source, manifest)
                    outputs.setdefault(folder, []).append(item)
        except ConfigError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise _unreadable(source, error) from error
    return Records(outputs, manifests)


def _check_md5(digest: str) -> None:
    if not MD5.fullmatch(digest.zfill(32)):  # YAML drops leading zeros of one that has digits alone
        raise ValueError(f"{digest} is no md5")


def run_folder(output: Path) -> Path:
    """The folder of the run that an output is part of, or, if of none, the folder that it lies in."""
    runs = (folder for folder in output.parents if folder.name.startswith("seed"))
    return next((folder for folder in runs if SEEDS.fullmatch(folder.name)), output.parent)


def read_record(source: Path) -> Record:
    """What a DVC file records: every stage of ``dvc.lock``, or one ``*.dvc`` file.

    Raises:
        ConfigError: it is not a valid DVC file.
    """
    try:
        content = YAML(typ="safe").load(source.read_text(encoding="utf-8"))
        stages = [content] if source.suffix == ".dvc" else list(content["stages"].values())
        outs = [dict(out) for stage in stages for out in stage.get("outs", ())]
        meta = dict(stages[0].get("meta") or {}) if stages else {}
        if source.suffix == ".dvc" and (unknown := meta.keys() - {MANIFESTS}):
            raise ValueError(f"unknown key meta.{min(unknown)}")
        return Record(outs, dict(meta.get(MANIFESTS, {})))
    except (OSError, RecursionError, YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise _unreadable(source, error) from error


def _unreadable(source: Path, error: Exception) -> ConfigError:
    if _is_unmerged(source):
        return ConfigError(
            f"{source}: has the conflicts of a merge; keep one side (git checkout --ours {source}) and run "
            "fpc record after the merge, as docs/how-to/versions.md says (Merge two branches)"
        )
    what = "DVC file" if source.suffix == ".dvc" else "DVC lock file"
    return ConfigError(f"{source}: not a {what} ({error}); restore it: git checkout {source}")


def _is_unmerged(source: Path) -> bool:
    try:
        return any(line.startswith(b"<<<<<<< ") for line in source.read_bytes().splitlines())
    except OSError:
        return False


def absence(
    manifest: Manifest, names: Sequence[str], kept: Set[str], records: Records, digests: Digests
) -> Absence:
    """Why files of an artifact are not here.

    (The md5 that DVC records cannot be compared with the manifest's sha256 of a file that is not here, and
    the size of weights says nothing: a network trained with other hyperparameters has the same size.)

    Args:
        manifest: the artifact's manifest.
        names: files that it names and that are not here.
        kept: the artifact's files that are kept, see :meth:`fpc.lineage.project.Project.kept`.
        records: what DVC records.
        digests: digests of files.
    """
    heavy = [name for name in names if is_heavy(name)]
    fetchable = [name for name in heavy if _holds(manifest, name, records, digests)]
    unkept = [name for name in heavy if name not in fetchable and name not in kept]
    if unkept and digests.sha256(manifest.path) not in records.manifests.get(manifest.path, {}).values():
        unkept = []
    lost = [name for name in names if name not in fetchable and name not in unkept]
    return Absence(tuple(fetchable), tuple(unkept), tuple(lost))


def _holds(manifest: Manifest, name: str, records: Records, digests: Digests) -> bool:
    """Whether DVC has a record of a file that was made with this very manifest."""
    top = name.partition("/")[0]
    return any(
        item.name in (name, top)
        and _size(manifest, item.name) == item.size
        and item.manifest == digests.sha256(manifest.path)
        for item in records.outputs.get(manifest.path.parent, ())
    )


def _size(manifest: Manifest, output: str) -> int:
    """Size in bytes of an output (a file or a folder) according to the manifest."""
    named = ((item["name"], item["size"]) for item in manifest.statement["subject"])
    return sum(size for name, size in named if name == output or name.startswith(f"{output}/"))


def check(manifest: Manifest, records: Records, digests: Digests) -> Check:
    """Check that the manifest and DVC's records name the same contents.

    Sizes are compared even if the files are not here; contents (md5) only if they are. Weights must also
    have been recorded with this manifest, or they would count as lost in a clone that lacks them.
    """
    outputs = records.outputs.get(manifest.path.parent, ())
    for item in outputs:
        name, remedy = item.name, _remedy(item.source)
        inside = [key for key in manifest.subjects if key == name or key.startswith(f"{name}/")]
        if not inside and manifest.path.name != "manifest.json":
            continue  # belongs to another row that shares the folder
        if not inside:
            yield (
                Verdict.STALE,
                f"{item.source} records {name}, which the manifest does not name; {remedy}",
            )
        elif _size(manifest, name) != item.size:
            yield (
                Verdict.STALE,
                f"{item.source} records a different {name} (size differs); {remedy}",
            )
        elif _is_complete(item.path, manifest) and digests.md5(item.path) != item.md5:
            yield (
                Verdict.STALE,
                f"{item.source} records a different {name} (md5 differs); {remedy}",
            )
        elif item.source.suffix == ".dvc" and item.manifest != digests.sha256(manifest.path):
            yield Verdict.STALE, f"{item.source} records {name} with another manifest; {remedy}"
    listing = {item.source for item in outputs}
    for source, digest in records.manifests.get(manifest.path, {}).items():
        if source not in listing and digest != digests.sha256(manifest.path):
            yield Verdict.STALE, f"{source} records another manifest; {REMEDY_IN_GIT}"


def _remedy(source: Path) -> str:
    """What restores an output: DVC has the weights that ``*.dvc`` files list, git the rest."""
    return REMEDY_WEIGHTS if source.suffix == ".dvc" else REMEDY_IN_GIT


def _is_complete(path: Path, manifest: Manifest) -> bool:
    """Whether every file of an output is here; DVC has no digest of part of a folder."""
    files = (manifest.path.parent / name for name in manifest.subjects)
    return all(file.exists() for file in files if file == path or path in file.parents)


def folders(root: Path, records: Records, digests: Digests) -> Iterator[Finding]:
    """Outputs shared by several artifacts, below an audited path, that differ from DVC's record."""
    for item in (item for items in records.outputs.values() for item in items):
        if (item.folder / "manifest.json").is_file() or not item.path.is_relative_to(root):
            continue  # ``check`` covers those with a manifest
        try:
            differs = item.path.exists() and not item.path.is_symlink() and digests.md5(item.path) != item.md5
        except OSError as error:
            verdict, reason = unreadable("it", error)
            yield Finding(item.path, verdict, (reason,))
            continue
        if differs:
            reason = f"{item.source} records different content; {_remedy(item.source)}"
            yield Finding(item.path, Verdict.STALE, (reason,))
