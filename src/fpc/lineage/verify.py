"""The audit: does each artifact match its manifest, and is it still current?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from fpc.lineage import checks, dvc_lock
from fpc.lineage.artifact import RESULTS
from fpc.lineage.digests import Digests
from fpc.lineage.freshness import NOT_MADE, Freshness, Inheritance, judged
from fpc.lineage.manifest import Manifest, ManifestError
from fpc.lineage.places import may_be_linked
from fpc.lineage.project import Project
from fpc.lineage.signing import signature_of
from fpc.lineage.verdict import Check, Finding, Verdict, unreadable

Signature = Callable[[Path], str | None]
"""Says what is wrong with the signature of a manifest; None if it is valid."""


class Audit:
    """One audit: freshness of artifacts, changes of code, DVC's records, signatures and stray files.

    Args:
        projects: by results label; artifacts of other labels are checked without their configuration.
        digests: quick (cached) or deep; by default every file is read.
        signature: says what is wrong with a manifest's signature; None if signatures are not required.
    """

    def __init__(
        self,
        projects: Mapping[str, Project],
        digests: Digests | None = None,
        signature: Signature | None = None,
    ) -> None:
        self._freshness = Freshness(projects, digests)
        self.digests = self._freshness.digests
        self._signature = signature
        self._inheritance = Inheritance(self._own, self._freshness.parents)

    def artifacts(self, paths: Iterable[Path]) -> tuple[list[Path], list[Finding]]:
        """Manifests below ``paths``, and other findings: stray files, bad links, artifacts not made."""
        manifests: dict[Path, None] = {}
        others: list[Finding] = []
        for path in paths:
            found, files, links = _walk(path)
            manifests |= dict.fromkeys(found)
            others += links
            others += self._strays(found, files)
            others += self._not_made(path, {*found})
            others += dvc_lock.folders(path, self._freshness.records, self.digests)
        return list(manifests), others

    def finding(self, path: Path) -> Finding:
        """Verdict on a manifest; it is stale if any ancestor is, however distant.

        DVC's record and the signature are checked only for this manifest: an outdated record says nothing
        about the artifact's children, and a signature covers the parents, which the manifest names by digest.
        """
        return judged(self._inheritance.of(path), chain(self._recorded(path), self._signed(path)))

    def _own(self, path: Path) -> Finding:
        """The finding on an artifact without its ancestors: freshness and changes of code."""
        current, manifest = self._freshness.own(path), self._freshness.manifest(path)
        if isinstance(manifest, ManifestError):
            return current
        return judged(current, checks.code(manifest, self.digests))

    def _recorded(self, path: Path) -> Check:
        if isinstance(manifest := self._freshness.manifest(path), Manifest):
            yield from dvc_lock.check(manifest, self._freshness.records, self.digests)

    def _signed(self, path: Path) -> Check:
        if self._signature is not None and (problem := self._signature(path)) is not None:
            missing = not signature_of(path).exists()
            yield (Verdict.UNVERIFIED if missing else Verdict.TAMPERED), problem

    def _strays(self, manifests: list[Path], files: list[str]) -> Iterator[Finding]:
        """Files below a path that no manifest there names."""
        named: set[str] = set()
        for path in manifests:
            manifest = self._freshness.manifest(path)
            if isinstance(manifest, Manifest):
                folder = str(path.parent)
                named.update(f"{folder}/{name}" for name in manifest.subjects)
                named.add(str(signature_of(path)))
        for file in files:
            if file not in named:
                yield Finding(Path(file), Verdict.UNVERIFIED, ("no manifest names this file",))

    def _not_made(self, path: Path, found: set[Path]) -> Iterator[Finding]:
        """Missing rows, if the whole folder of a scale is audited."""
        if path.parent != RESULTS:
            return
        for manifest, row in self._freshness.rows():
            if row.label == path.name and manifest not in found and not manifest.exists():
                yield Finding(manifest, Verdict.MISSING, (NOT_MADE,))


def verify(
    paths: Iterable[Path],
    projects: Mapping[str, Project],
    *,
    digests: Digests | None = None,
    signature: Signature | None = None,
    progress: Callable[[list[Path]], Iterable[Path]] = iter,
) -> Iterator[Finding]:
    """Findings on every manifest below ``paths``, on files that none names, and on artifacts not made.

    Args:
        paths: folders or manifests.
        projects: by results label; artifacts of other labels are checked without their configuration.
        digests: quick (cached) or deep; by default every file is read.
        signature: see ``Audit``.
        progress: wraps the list of manifests, for a progress bar.
    """
    audit = Audit(projects, digests, signature)
    manifests, others = audit.artifacts(paths)
    for path in progress(manifests):
        yield audit.finding(path)
    yield from others
    audit.digests.save()


def _walk(path: Path) -> tuple[list[Path], list[str], list[Finding]]:
    """Manifests and other files below a path, and findings.

    Findings are folders that cannot be read, and links out of the path or to folders, which are not followed.
    """
    if path.is_file():
        return ([path], [], []) if path.name.endswith("manifest.json") else ([], [str(path)], [])
    manifests: list[str] = []
    files: list[str] = []
    problems: list[Finding] = []
    waiting = [str(path)]
    while waiting:
        try:
            with os.scandir(folder := waiting.pop()) as entries:
                found = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            verdict, words = unreadable("the folder", error)
            problems.append(Finding(Path(folder), verdict, (words,)))
            continue
        for entry in found:
            if entry.is_symlink() and (reason := _wrong_link(Path(entry.path), path)) is not None:
                problems.append(Finding(Path(entry.path), Verdict.TAMPERED, (reason,)))
            elif not entry.is_dir():
                (manifests if entry.name.endswith("manifest.json") else files).append(entry.path)
            else:
                waiting.append(entry.path)
    return [Path(name) for name in sorted(manifests)], sorted(files), problems


def _wrong_link(link: Path, root: Path) -> str | None:
    """Why a link is not allowed: DVC links only files, and a link to a parent folder would never end.

    The folder of an experiment may be a link to another disk.
    """
    if may_be_linked(link) and link.is_dir() and _is_elsewhere(link.resolve()):
        return None
    if checks.leads_outside(link, root):
        return "it is a link out of the results"
    return "it is a link to a folder" if link.is_dir() else None


def _is_elsewhere(folder: Path) -> bool:
    """Whether a folder is outside the results, and does not contain the project."""
    project = Path.cwd()
    return not (folder.is_relative_to(RESULTS.resolve()) or project.is_relative_to(folder))
