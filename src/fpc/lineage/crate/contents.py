"""What a crate contains: artifacts and everything they were made from, configuration, workflow, source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from fpc.core.errors import UserError
from fpc.core.files import sha256_of
from fpc.lineage import origin
from fpc.lineage.ancestry import ancestry, is_inside
from fpc.lineage.artifact import is_heavy
from fpc.lineage.checks import leads_outside
from fpc.lineage.manifest import Manifest, ManifestError
from fpc.lineage.signing import signature_of

SOURCE = "src/fpc/"  # path of the package in the crate
PROJECT_FILES = ("Snakefile", "requirements.lock", "pyproject.toml", "CITATION.cff", "LICENSE", "README.md")
NEEDED = ("Snakefile", "CITATION.cff")
WORKFLOW_FILES = ("rules/*.smk", "report/*.rst", "profiles/*/*.yaml", "envs/Dockerfile")
SOURCE_FILES = ("*.py", "*.j2", "*.js", "py.typed")
ConfigurationFiles = Callable[[str], Iterable[Path]]
"""The files from which the configuration of a results label is read."""


class CrateError(UserError):
    """Nothing can be exported; the text names the file and how to fix it."""


@dataclass(frozen=True)
class Item:
    """A file of the crate. ``source`` is None if it is only described by its digest, not packed."""

    name: str  # path in the crate; below the project's folder, except for the source
    sha256: str
    size: int
    source: Path | None


@dataclass
class Artifact:
    """A manifest and the files it names."""

    manifest: Manifest
    item: Item
    files: list[Item]
    signature: Item | None = None

    @property
    def name(self) -> str:
        """The manifest's path without its suffix: a run's folder, or a figure's path without its suffix."""
        path = self.manifest.path.as_posix()
        return path.removesuffix("/manifest.json").removesuffix(".manifest.json")


@dataclass
class Contents:
    """Everything that a crate contains, in a fixed order."""

    artifacts: dict[str, Artifact] = field(default_factory=dict)  # by manifest path, oldest first
    requested: list[str] = field(default_factory=list)  # manifests asked for; the others are ancestors
    configs: list[Item] = field(default_factory=list)
    project: list[Item] = field(default_factory=list)  # workflow, licence, lock file
    source: list[Item] = field(default_factory=list)

    def packed(self) -> list[Item]:
        """Every file to pack, by name."""
        items = [*self.configs, *self.project, *self.source]
        for artifact in self.artifacts.values():
            items += [artifact.item, *artifact.files, *([artifact.signature] if artifact.signature else [])]
        return sorted((item for item in items if item.source is not None), key=lambda item: item.name)


def collect(manifests: Sequence[Path], weights: bool, configuration_files: ConfigurationFiles) -> Contents:
    """Find everything that belongs in the crate.

    Args:
        manifests: manifests of the requested artifacts.
        weights: also pack weights and expert data.
        configuration_files: returns the files of a results label: paper.yaml, its scale, its variant.

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
    contents = Contents(requested=[path.as_posix() for path in manifests])
    for manifest in ordered:
        contents.artifacts[manifest.path.as_posix()] = _artifact(manifest, weights)
    for artifact in contents.artifacts.values():
        _check_chain(artifact, contents)
    contents.configs = [
        _item(path) for path in _configs({one.run["label"] for one in ordered}, configuration_files)
    ]
    contents.project = [_item(path) for path in _project_files()]
    contents.source = [
        _item(path, SOURCE + path.relative_to(origin.PACKAGE).as_posix())
        for pattern in SOURCE_FILES
        for path in sorted(origin.PACKAGE.rglob(pattern))
    ]
    named = {name for one in ordered for name in one.details["builder"]["code"]["modules"]}
    outside = sorted(name for name in named if not name.startswith(f"{origin.PACKAGE.name}/"))
    contents.source += [_item(Path(name)) for name in outside if origin.digest_at_start(name) is not None]
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
            remedy = "pull or make it, or omit --weights" if is_heavy(subject["name"]) else "make it again"
            raise CrateError(f"{path} is named by its manifest but is not here; {remedy}")
        source = path if wanted else None
        files.append(Item(path.as_posix(), subject["digest"]["sha256"], subject["size"], source))
    signature = signature_of(manifest.path)
    return Artifact(manifest, _item(manifest.path), files, _item(signature) if signature.is_file() else None)


def _check_chain(artifact: Artifact, contents: Contents) -> None:
    """Refuse an artifact whose manifest was altered, or whose parents are not those it was made from."""
    path = artifact.manifest.path
    if not artifact.manifest.is_intact:
        raise CrateError(f"{path} was altered: it does not match its own digest; make it again")
    for uri, digest in artifact.manifest.parents.items():
        parent = contents.artifacts.get(uri)
        if parent is None:
            raise CrateError(f"{path}: parent {uri} lies outside the project")
        if parent.item.sha256 != digest:
            raise CrateError(f"{path}: parent {uri} is not the one it was made from; make it again")


def _configs(labels: set[str], configuration_files: ConfigurationFiles) -> list[Path]:
    found = {path for label in labels for path in configuration_files(label)}
    for path in found:
        if not path.is_file():
            raise CrateError(f"{path} is missing; these results were configured from it, so restore it")
    return sorted(found)


def _project_files() -> list[Path]:
    for name in NEEDED:
        if not Path(name).is_file():
            raise CrateError(f"{name} is missing; run the command in the root of the checkout")
    found = [path for name in PROJECT_FILES if (path := Path(name)).is_file()]
    for pattern in WORKFLOW_FILES:
        found += sorted(Path("workflow").glob(pattern))
    return found
