"""Ancestry: everything that an artifact was made from, as far back as there are manifests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fpc.core.errors import ConfigError
from fpc.lineage.artifact import RESULTS
from fpc.lineage.manifest import Manifest, ManifestError, read


@dataclass(frozen=True)
class Ancestor:
    """An artifact and what it was made from; if ``manifest`` is None, ``problem`` says why."""

    path: Path
    manifest: Manifest | None
    problem: str | None = None

    @property
    def parents(self) -> list[Path]:
        """Manifests of its parents inside the project."""
        return [] if self.manifest is None else [Path(uri) for uri in self.manifest.parents if is_inside(uri)]

    @property
    def title(self) -> str:
        """Phase, experiment, method and seeds, or the figure's name; the path if these are unknown."""
        if self.manifest is None:
            return self.path.as_posix()
        run = self.manifest.run
        name = run.get("name")
        words = [str(run["phase"])] + ([] if name in (None, run["phase"]) else [str(name)])
        words += [str(run[key]) for key in ("experiment", "method") if key in run]
        seeds = run.get("seeds", ())
        if seeds:
            words.append(f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {seeds[0]}-{seeds[-1]}")
        return " ".join(words)


def is_inside(uri: str) -> bool:
    """Whether a parent's path is relative and stays below the project's folder."""
    return not uri.startswith("/") and (".." not in uri or ".." not in Path(uri).parts)


def ancestry(path: Path) -> dict[Path, Ancestor]:
    """The artifact with manifest ``path`` and everything it was made from, by manifest, itself first.

    Each ancestor is listed once, however many paths lead to it.
    """
    found: dict[Path, Ancestor] = {}
    waiting = [path]
    while waiting:
        current = waiting.pop(0)
        if current in found:
            continue
        try:
            found[current] = Ancestor(current, read(current))
        except ManifestError as error:
            found[current] = Ancestor(current, None, str(error))
        waiting += found[current].parents
    return found


def manifest_of(path: Path) -> Path:
    """The manifest of an artifact, given the manifest itself, the artifact's folder or one of its files.

    Raises:
        ConfigError: it does not exist, or no manifest names it.
    """
    if path.name.endswith("manifest.json") and path.is_file():
        return path
    if path.is_dir() and (path / "manifest.json").is_file():
        return path / "manifest.json"
    for folder in path.parents:
        manifests = [folder / "manifest.json"] if (folder / "manifest.json").is_file() else []
        if folder == path.parent:
            manifests += sorted(folder.glob("*.manifest.json"))
        for candidate in manifests:
            if _names(candidate, path):
                return candidate
    what = "no manifest names it" if path.exists() else "does not exist"
    raise ConfigError(f"{path}: {what}; give an artifact below {RESULTS}/, or one of its files")


def _names(manifest: Path, path: Path) -> bool:
    """Whether the manifest names a file, or belongs to a figure given without its suffix."""
    try:
        subjects = read(manifest).subjects
    except ManifestError:
        return False
    below = path.relative_to(manifest.parent).as_posix()
    return any(name == below or name.startswith(f"{below}/") for name in subjects) or (
        manifest.name == f"{path.name}.manifest.json"
    )
