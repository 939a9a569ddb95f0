"""Export: results with everything they were made from, as one Provenance Run Crate (RO-Crate) in a zip.

The same content gives the same bytes: entries are sorted, their times fixed, all dates are the manifests'.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from fpc.core.files import atomic_path, sha256_of
from fpc.lineage import origin
from fpc.lineage.ancestry import ancestry, is_inside
from fpc.lineage.checks import Finding, Verdict, leads_outside
from fpc.lineage.digests import Digests
from fpc.lineage.manifest import Manifest, ManifestError
from fpc.lineage.signing import signature_of
from fpc.workflow.dvc_pipeline import configuration_files, is_heavy

if TYPE_CHECKING:
    from fpc.workflow.configuration import Configuration

METADATA = "ro-crate-metadata.json"
SOURCE = "src/fpc/"  # where the package lies in the crate
PROJECT_FILES = ("Snakefile", "requirements.lock", "pyproject.toml", "CITATION.cff", "LICENSE", "README.md")
NEEDED = ("Snakefile", "CITATION.cff")
WORKFLOW_FILES = ("rules/*.smk", "report/*.rst", "profiles/*/config.yaml", "envs/Dockerfile")
SOURCE_FILES = ("*.py", "*.j2", "py.typed")
STORED = (".parquet", ".png", ".safetensors")  # packed already
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can hold
CHUNK = 1 << 20


class CrateError(ValueError):
    """Nothing can be exported; the text names the file and the mend."""


@dataclass(frozen=True)
class Item:
    """A file of the crate. ``source`` is None where it is described by its digest and not packed."""

    name: str  # path in the crate; that below the project's folder, but for the package's source
    sha256: str
    size: int
    source: Path | None


@dataclass
class Artifact:
    """A manifest, and the files it names."""

    manifest: Manifest
    item: Item
    files: list[Item]
    signature: Item | None = None

    @property
    def name(self) -> str:
        """The manifest's path without its ending: that of a run's folder, or of a figure's file."""
        path = self.manifest.path.as_posix()
        return path.removesuffix("/manifest.json").removesuffix(".manifest.json")


@dataclass
class Contents:
    """All that a crate holds, in a fixed order."""

    artifacts: dict[str, Artifact] = field(default_factory=dict)  # by manifest's path; oldest first
    asked: list[str] = field(
        default_factory=list
    )  # manifests of what was asked for; the others are ancestors
    configs: list[Item] = field(default_factory=list)
    project: list[Item] = field(default_factory=list)  # workflow, licence, lock file
    source: list[Item] = field(default_factory=list)

    def packed(self) -> list[Item]:
        """Every file to pack, by name."""
        items = [*self.configs, *self.project, *self.source]
        for artifact in self.artifacts.values():
            items += [artifact.item, *artifact.files, *([artifact.signature] if artifact.signature else [])]
        return sorted((item for item in items if item.source is not None), key=lambda item: item.name)


def export(
    target: Path, manifests: Iterable[Path], *, weights: bool = False, agent: str | None = None
) -> Contents:
    """Write artifacts and all their ancestors to ``target``, whole or not at all.

    Args:
        target: the zip file; one that is there is replaced.
        manifests: of the artifacts, relative to the project's folder, which is the current one.
        weights: pack weights and expert data as well; else they are described by their digests.
        agent: who ran it, if that is to be said; no manifest knows.

    Raises:
        CrateError: a file is missing or is not what its manifest says, or the chain of manifests is broken.
        ManifestError: a manifest cannot be read.
    """
    from fpc.lineage.crate_graph import describe

    contents = collect(sorted(set(manifests)), weights)
    metadata = describe(contents, agent)
    text = json.dumps(metadata, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"
    with atomic_path(target) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        with archive.open(_entry(METADATA), "w") as packed:
            packed.write(text.encode())
        archive.writestr(_entry(SOURCE), b"")
        for item in contents.packed():
            _pack(archive, item)
    return contents


def collect(manifests: Sequence[Path], weights: bool) -> Contents:
    """Find everything that belongs into the crate.

    Raises:
        CrateError: a file is missing, or the chain of manifests is broken.
        ManifestError: a manifest cannot be read.
    """
    if not manifests:
        raise CrateError("nothing to export")
    read: dict[Path, Manifest] = {}
    for path in manifests:
        for found in ancestry(path).values():
            if found.manifest is None:
                raise ManifestError(str(found.problem))
            read[found.path] = found.manifest
    ordered = sorted(read.values(), key=lambda one: (one.details["metadata"]["finishedOn"], one.path))
    contents = Contents(asked=[path.as_posix() for path in manifests])
    for manifest in ordered:
        contents.artifacts[manifest.path.as_posix()] = _artifact(manifest, weights)
    for artifact in contents.artifacts.values():
        _check_chain(artifact, contents)
    contents.configs = [_item(path) for path in _configs({one.run["label"] for one in ordered})]
    contents.project = [_item(path) for path in _project_files()]
    contents.source = [
        _item(path, SOURCE + path.relative_to(origin.PACKAGE).as_posix())
        for pattern in SOURCE_FILES
        for path in sorted(origin.PACKAGE.rglob(pattern))
    ]
    return contents


def _item(path: Path, name: str | None = None) -> Item:
    return Item(name or path.as_posix(), sha256_of(path), path.stat().st_size, path)


def _artifact(manifest: Manifest, weights: bool) -> Artifact:
    folder = manifest.path.parent
    files = []
    for subject in manifest.statement["subject"]:
        path = folder / subject["name"]
        if not is_inside(subject["name"]) or leads_outside(path, folder):
            raise CrateError(f"{manifest.path}: {subject['name']} lies outside the artifact's folder")
        wanted = weights or not is_heavy(subject["name"])
        if wanted and not path.is_file():
            mend = "pull or make it, or leave --weights out" if is_heavy(subject["name"]) else "make it again"
            raise CrateError(f"{path} is named by its manifest and is not here; {mend}")
        source = path if wanted else None
        files.append(Item(path.as_posix(), subject["digest"]["sha256"], subject["size"], source))
    signature = signature_of(manifest.path)
    return Artifact(manifest, _item(manifest.path), files, _item(signature) if signature.is_file() else None)


def _check_chain(artifact: Artifact, contents: Contents) -> None:
    """Refuse an artifact whose manifest was altered, or whose parents are not those it was made from."""
    path = artifact.manifest.path
    if not artifact.manifest.is_whole:
        raise CrateError(f"{path} was altered: it does not have the digest it names; make it again")
    for uri, digest in artifact.manifest.parents.items():
        parent = contents.artifacts.get(uri)
        if parent is None:
            raise CrateError(f"{path}: parent {uri} lies outside the project")
        if parent.item.sha256 != digest:
            raise CrateError(f"{path}: parent {uri} is not the one it was made from; make it again")


def _configs(labels: set[str]) -> list[Path]:
    """Files that the configurations of results labels are made of: paper.yaml, scales, variants."""
    found = {path for label in labels for path in configuration_files(label)}
    for path in found:
        if not path.is_file():
            raise CrateError(f"{path} is missing, from which these results were configured; restore it")
    return sorted(found)


def _project_files() -> list[Path]:
    for name in NEEDED:
        if not Path(name).is_file():
            raise CrateError(f"{name} is missing; give the command at the root of the checkout")
    found = [path for name in PROJECT_FILES if (path := Path(name)).is_file()]
    for pattern in WORKFLOW_FILES:
        found += sorted(Path("workflow").glob(pattern))
    return found


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, EPOCH)
    entry.create_system = 3  # Unix, whose permissions follow
    entry.external_attr = (0o40755 if name.endswith("/") else 0o100644) << 16
    stored = name.endswith(STORED)
    entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
    return entry


def _pack(archive: zipfile.ZipFile, item: Item) -> None:
    """Copy a file into the archive while its digest is checked."""
    assert item.source is not None
    digest = hashlib.sha256()
    entry = _entry(item.name)
    entry.file_size = item.size
    with item.source.open("rb") as file, archive.open(entry, "w") as packed:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
            packed.write(chunk)
    if digest.hexdigest() != item.sha256:
        raise CrateError(
            f"{item.source} is not the file that was made (sha256 differs); restore it, or make it again"
        )


def not_current(manifests: Iterable[Path], configurations: Mapping[str, Configuration]) -> list[Finding]:
    """Artifacts and ancestors that are stale or tampered, tampered ones and far ancestors first."""
    from fpc.lineage.verify import verify

    everything = list(dict.fromkeys(path for manifest in manifests for path in ancestry(manifest)))
    found = verify(reversed(everything), configurations, digests=Digests())
    wrong = [one for one in found if one.verdict in (Verdict.STALE, Verdict.TAMPERED)]
    return sorted(wrong, key=lambda one: one.verdict != Verdict.TAMPERED)
