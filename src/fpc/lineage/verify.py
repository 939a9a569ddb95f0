"""The audit: does each artifact hold what its manifest says, and is it still what would be made?"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from itertools import chain
from pathlib import Path

from fpc.lineage import checks
from fpc.lineage import dvc_lock as recorded
from fpc.lineage.ancestry import is_inside
from fpc.lineage.checks import Finding, Verdict
from fpc.lineage.digests import Digests
from fpc.lineage.file_status import is_file, status_of, under_link
from fpc.lineage.manifest import Manifest, ManifestError, read
from fpc.lineage.signing import signature_of
from fpc.workflow.configuration import Configuration
from fpc.workflow.run_table import RESULTS, rows

SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}
ACCEPTABLE = (Verdict.VERIFIED, Verdict.BEHIND)
Signature = Callable[[Path], str | None]
"""What is wrong with the signature of a manifest; None where it is good."""


@dataclass
class Audit:
    """One audit: manifests are read once, files as often as ``digests`` says.

    Args:
        configurations: by results label; artifacts of other labels are checked without their config.
        digests: quick (remembers) or deep.
        signature: tells what is wrong with a manifest's signature, where signatures are asked for.
    """

    configurations: Mapping[str, Configuration]
    digests: Digests = field(default_factory=lambda: Digests(None))
    signature: Signature | None = None

    def __post_init__(self) -> None:
        self._table = {row.manifest: row for item in self.configurations.values() for row in rows(item)}
        self._recorded = recorded.read_lock()
        self._manifests: dict[Path, Manifest | ManifestError] = {}
        self._alterations: dict[Path, str] = {}
        self._known: dict[Path, Finding] = {}
        self._parents = cache(self._find_parents)
        self._labels = {item.label for item in self.configurations.values()}
        self._under_link = under_link()
        self._section_digest = checks.section_digests()

    def artifacts(self, paths: Iterable[Path]) -> tuple[list[Path], list[Finding]]:
        """Manifests below ``paths``; and what can be said at once: strays, links, what is not made."""
        manifests: dict[Path, None] = {}
        others: list[Finding] = []
        for path in paths:
            found, files, links = _walk(path)
            manifests |= dict.fromkeys(found)
            others += links
            others += self._strays(found, files)
            others += self._not_made(path, {*found})
            others += recorded.folders(path, self._recorded, self.digests)
        return list(manifests), others

    def finding(self, path: Path) -> Finding:
        """Verdict on a manifest; what is made from something stale is stale, however far away.

        A signature is asked for of this manifest alone; it covers the parents, which it names by digest.
        """
        for ancestor in self._parents_first(path):
            own = self._examine(ancestor)
            self._known[ancestor] = own  # where manifests form a circle, this is what a child sees of it
            self._known[ancestor] = _with_parents(
                own, [self._known[parent] for parent in self._parents(ancestor) if parent in self._known]
            )
        return _with(self._known[path], self._signed(path))

    def _find_parents(self, path: Path) -> list[Path]:
        manifest = self._read(path)
        if isinstance(manifest, ManifestError):
            return []
        return [Path(uri) for uri in manifest.parents if is_inside(uri) and is_file(uri)]

    def _parents_first(self, path: Path) -> list[Path]:
        """The manifest and its ancestors that are not judged yet, parents before children."""
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

    def _read(self, path: Path) -> Manifest | ManifestError:
        if path not in self._manifests:
            status = status_of(str(path))  # before it is read: what is found is remembered of this status
            try:
                manifest = read(path)
                find = partial(checks.altered, manifest)
                self._alterations[path] = self.digests.once(path, "alteration", find, status)
                self._manifests[path] = manifest
            except ManifestError as error:
                self._manifests[path] = error
            except (OSError, RecursionError) as error:
                self._manifests[path] = ManifestError(f"{path}: cannot be checked ({error})")
        return self._manifests[path]

    def _examine(self, path: Path) -> Finding:
        manifest = self._read(path)
        if isinstance(manifest, ManifestError):
            return Finding(path, Verdict.TAMPERED, (str(manifest),))
        if (path.is_symlink() or self._under_link(str(path.parent))) and checks.leads_outside(
            path, path.parent
        ):
            return Finding(path, Verdict.TAMPERED, ("the manifest is a link that lies outside its folder",))
        try:
            found = list(self._checks(manifest))
        except (OSError, RecursionError) as error:
            return Finding(path, Verdict.TAMPERED, (f"it cannot be checked: {error}",))
        return _with(Finding(path, Verdict.VERIFIED), found)

    def _checks(self, manifest: Manifest) -> checks.Check:
        row = self._table.get(manifest.path)
        return chain(
            checks.itself(manifest, self._alterations[manifest.path]),
            checks.files(manifest, self.digests, self._under_link),
            checks.made_from(manifest, self.digests),
            checks.code(manifest, self.digests),
            recorded.check(manifest, self._recorded, self.digests),
            self._unasked(manifest)
            if row is None
            else checks.configured(row, self.configurations[row.label], manifest, self._section_digest),
        )

    def _unasked(self, manifest: Manifest) -> checks.Check:
        """An artifact of a known scale that its configuration does not have."""
        if manifest.run["label"] in self._labels:
            yield Verdict.STALE, "the configuration does not ask for it any more"

    def _signed(self, path: Path) -> checks.Check:
        if self.signature is not None and (problem := self.signature(path)) is not None:
            missing = not signature_of(path).exists()
            yield (Verdict.UNVERIFIED if missing else Verdict.TAMPERED), problem

    def _strays(self, manifests: list[Path], files: list[str]) -> Iterator[Finding]:
        """Files below a path that none of its manifests names."""
        named: set[str] = set()
        for path in manifests:
            manifest = self._read(path)
            if isinstance(manifest, Manifest):
                folder = str(path.parent)
                named.update(f"{folder}/{name}" for name in manifest.subjects)
                named.add(str(signature_of(path)))
        for file in files:
            if file not in named:
                yield Finding(Path(file), Verdict.UNVERIFIED, ("no manifest names this file",))

    def _not_made(self, path: Path, found: set[Path]) -> Iterator[Finding]:
        """Rows of a scale whose whole folder is audited."""
        if path.parent != RESULTS:
            return
        for manifest, row in self._table.items():
            if row.label == path.name and manifest not in found and not manifest.exists():
                yield Finding(manifest, Verdict.MISSING, ("it has not been made",))


def verify(
    paths: Iterable[Path],
    configurations: Mapping[str, Configuration],
    *,
    digests: Digests | None = None,
    signature: Signature | None = None,
    progress: Callable[[list[Path]], Iterable[Path]] = iter,
) -> Iterator[Finding]:
    """Verdict on every manifest below ``paths``, on files that none names, and on what is not made.

    Args:
        paths: folders, or manifests.
        configurations: by results label; artifacts of other labels are checked without their config.
        digests: quick or deep; reads every file without.
        signature: see ``Audit``.
        progress: wraps the list of manifests, for a bar.
    """
    audit = Audit(configurations, digests or Digests(None), signature)
    manifests, others = audit.artifacts(paths)
    for path in progress(manifests):
        yield audit.finding(path)
    yield from others
    audit.digests.save()


def _with(own: Finding, found: Iterable[tuple[Verdict, str]]) -> Finding:
    """A finding with more reasons, as bad as the worst of them."""
    reasons = [*((own.verdict, reason) for reason in own.reasons), *found]
    reasons.sort(key=lambda item: -SEVERITY[item[0]])
    if not reasons or SEVERITY[reasons[0][0]] <= SEVERITY[own.verdict]:
        return replace(own, reasons=tuple(reason for _, reason in reasons))
    return Finding(own.artifact, reasons[0][0], tuple(reason for _, reason in reasons))


def _with_parents(own: Finding, parents: list[Finding]) -> Finding:
    """A finding that is at least stale where a parent's files are stale or tampered."""
    wrong = [parent for parent in parents if parent.verdict in (Verdict.STALE, Verdict.TAMPERED)]
    if not wrong or own.verdict == Verdict.TAMPERED:
        return own
    reasons = tuple(f"parent {parent.artifact} is {parent.verdict}" for parent in wrong)
    if own.verdict == Verdict.STALE:
        return replace(own, reasons=own.reasons + reasons)
    return Finding(own.artifact, Verdict.STALE, reasons + own.reasons, inherited=True)


def _walk(path: Path) -> tuple[list[Path], list[str], list[Finding]]:
    """Manifests and other files below a path; links out of it or to folders are findings, not entered."""
    if path.is_file():
        return ([path], [], []) if path.name.endswith("manifest.json") else ([], [str(path)], [])
    manifests: list[str] = []
    files: list[str] = []
    links: list[Finding] = []
    waiting = [str(path)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_symlink() and (reason := _wrong_link(Path(entry.path), path)) is not None:
                    links.append(Finding(Path(entry.path), Verdict.TAMPERED, (reason,)))
                elif not entry.is_dir():
                    (manifests if entry.name.endswith("manifest.json") else files).append(entry.path)
                else:
                    waiting.append(entry.path)
    return [Path(name) for name in sorted(manifests)], sorted(files), links


def _wrong_link(link: Path, place: Path) -> str | None:
    """Why a link is not in order: DVC links files, never folders, and a link to one above it has no end."""
    if checks.leads_outside(link, place):
        return "it is a link out of the results"
    return "it is a link to a folder" if link.is_dir() else None
