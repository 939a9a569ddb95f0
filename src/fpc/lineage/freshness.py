"""Is an artifact current? The one answer, used by everything that asks.

An artifact is current if its files, parents and configuration section match its manifest, and its parents
are current, however far back. Weights and data may be absent if DVC has a record of them, or, where the
configuration says that they are not kept, of their manifest. Changes of code and environment do not count:
the audit reports them, and people decide.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache, partial
from itertools import chain
from pathlib import Path

from fpc.lineage import checks, dvc_lock
from fpc.lineage.ancestry import is_inside
from fpc.lineage.artifact import Row, is_read
from fpc.lineage.digests import Digests
from fpc.lineage.file_status import is_file, status_of, under_link
from fpc.lineage.manifest import Manifest, ManifestError, UnreadableManifest, heavy_sizes, read
from fpc.lineage.project import Project
from fpc.lineage.verdict import Check, Finding, HeavyFiles, Verdict, unreadable

NOT_MADE = "it has not been made"


class Inheritance:
    """Combines each artifact's own finding with those of its ancestors.

    Args:
        own: returns the finding of an artifact on its own, given its manifest.
        parents: returns the manifests of its parents that are here.
    """

    def __init__(self, own: Callable[[Path], Finding], parents: Callable[[Path], list[Path]]) -> None:
        self._own = own
        self._parents = parents
        self._known: dict[Path, Finding] = {}

    def of(self, path: Path) -> Finding:
        """The finding of an artifact; it is not current if one of its parents is not."""
        for ancestor in self._parents_first(path):
            own = self._own(ancestor)
            self._known[ancestor] = own  # if manifests form a cycle, its child sees this
            self._known[ancestor] = own.with_parents(
                self._known[parent] for parent in self._parents(ancestor) if parent in self._known
            )
        return self._known[path]

    def _parents_first(self, path: Path) -> list[Path]:
        """The manifest and those of its ancestors not yet judged, parents before children."""
        order: dict[Path, None] = {}
        entered: set[Path] = set()
        waiting = [path]
        while waiting:
            current = waiting[-1]
            if current in order or current in self._known:
                waiting.pop()
            elif current in entered:
                order[waiting.pop()] = None
            else:
                entered.add(current)
                waiting += [parent for parent in self._parents(current) if parent not in entered]
        return list(order)


class Freshness:
    """The state of the results at one time: manifests are read once, files as ``digests`` requires.

    Args:
        projects: by results label; artifacts of other labels are judged without their configuration.
        digests: quick (cached) or deep; by default every file is read.
    """

    def __init__(self, projects: Mapping[str, Project], digests: Digests | None = None) -> None:
        self.digests = digests or Digests(None)
        self.records = dvc_lock.read_lock()
        self._projects = projects
        # A row that projects share belongs to the one whose label it has, if that is here.
        self._owners: dict[Path, tuple[Row, Project]] = {}
        for project in projects.values():
            for row in project.rows():
                if row.label == project.label or row.manifest not in self._owners:
                    self._owners[row.manifest] = row, project
        self._manifests: dict[Path, Manifest | ManifestError] = {}
        self._alterations: dict[Path, str] = {}
        self._under_link = under_link()
        self._section_digest = checks.section_digests()
        self.parents = cache(self._find_parents)
        self._inheritance = Inheritance(self.own, self.parents)

    def rows(self) -> Iterator[tuple[Path, Row]]:
        """Every row of the projects, by its manifest."""
        return ((manifest, row) for manifest, (row, _) in self._owners.items())

    def of(self, row: Row) -> Finding:
        """Whether a row is made and current; if not, the reasons say why."""
        return self.at(row.manifest)

    def at(self, path: Path) -> Finding:
        """Whether the artifact with this manifest is made and current."""
        return self._inheritance.of(path)

    def manifest(self, path: Path) -> Manifest | ManifestError:
        """The manifest, or why it cannot be read."""
        if path not in self._manifests:
            try:
                status = status_of(str(path))  # taken before reading: the result is cached under this status
                manifest = read(path)
                find = partial(checks.altered, manifest)
                self._alterations[path] = self.digests.once(path, "alteration", find, status)
                self._manifests[path] = manifest
            except ManifestError as error:
                self._manifests[path] = error
            except OSError as error:
                _, reason = unreadable("the manifest", error)
                self._manifests[path] = UnreadableManifest(reason)
            except RecursionError as error:
                self._manifests[path] = ManifestError(f"{path}: cannot be checked ({error})")
        return self._manifests[path]

    def own(self, path: Path) -> Finding:
        """The finding of an artifact on its own, without its ancestors."""
        manifest = self.manifest(path)
        if isinstance(manifest, UnreadableManifest):
            return Finding(path, Verdict.UNVERIFIED, (str(manifest),))
        if isinstance(manifest, ManifestError):
            if not path.exists() and not path.is_symlink():
                return Finding(path, Verdict.MISSING, (NOT_MADE,))
            return Finding(path, Verdict.TAMPERED, (str(manifest),))
        linked = path.is_symlink() or self._under_link(str(path.parent))
        if linked and checks.leads_outside(path, path.parent):
            return Finding(path, Verdict.TAMPERED, ("the manifest is a link out of its folder",))
        return judged(Finding(path, Verdict.VERIFIED, heavy=self._heavy(manifest)), self._checks(manifest))

    def _find_parents(self, path: Path) -> list[Path]:
        manifest = self.manifest(path)
        if isinstance(manifest, ManifestError):
            return []
        return [Path(uri) for uri in manifest.parents if is_inside(uri) and is_file(uri)]

    def _checks(self, manifest: Manifest) -> Check:
        owner = self._owners.get(manifest.path)
        return chain(
            checks.identity(manifest, self._alterations[manifest.path]),
            checks.files(manifest, self.digests, self._under_link, self._absence),
            checks.parents(manifest, self.digests),
            self._not_requested(manifest)
            if owner is None
            else checks.configured(*owner, manifest, self._section_digest),
        )

    def _heavy(self, manifest: Manifest) -> HeavyFiles:
        """How many of the files that git does not hold are here."""
        absent = _absent(manifest)
        found = self._absence(manifest, absent)
        here = self._kept(manifest).difference(absent)
        return HeavyFiles(len(here), len(found.fetchable), len(found.unkept))

    def lacks(self, parent: Row, phase: str) -> bool:
        """Whether an artifact is here without files that a phase would read."""
        manifest = self.manifest(parent.manifest)
        if isinstance(manifest, ManifestError):
            return False
        return any(is_read(phase, parent, name) for name in _absent(manifest))

    def _absence(self, manifest: Manifest, names: list[str]) -> dvc_lock.Absence:
        kept = self._kept(manifest) if names else frozenset[str]()
        return dvc_lock.absence(manifest, names, kept, self.records, self.digests)

    def _kept(self, manifest: Manifest) -> frozenset[str]:
        """The artifact's files that DVC keeps: all, if no configuration asks for the artifact."""
        owner, sizes = self._owners.get(manifest.path), heavy_sizes(manifest)
        if owner is None:
            return frozenset(sizes)
        row, project = owner
        return project.kept(row, sizes)

    def _not_requested(self, manifest: Manifest) -> Check:
        """An artifact of a known scale that its configuration does not ask for."""
        if manifest.run["label"] in self._projects:
            yield Verdict.STALE, "the configuration no longer asks for it"


def _absent(manifest: Manifest) -> list[str]:
    """Those of an artifact's files that git does not hold and that are not here."""
    folder = manifest.path.parent
    return [name for name in heavy_sizes(manifest) if not is_file(f"{folder}/{name}")]


def judged(finding: Finding, found: Iterator[tuple[Verdict, str]]) -> Finding:
    """A finding with the results of checks."""
    return finding.with_reasons(_until_unreadable(found))


def _until_unreadable(found: Iterator[tuple[Verdict, str]]) -> Check:
    try:
        yield from found
    except OSError as error:
        yield unreadable("it", error)
    except RecursionError as error:
        yield Verdict.TAMPERED, f"it cannot be checked: {error}"


def freshness(project: Project) -> Freshness:
    """Freshness of one project's results, with cached digests."""
    return Freshness({project.label: project}, Digests())
