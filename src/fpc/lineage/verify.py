"""The audit: does each artifact hold what its manifest says, and is it still what would be made?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fpc.config.root import Configuration
from fpc.files import digest_of, sha256_of
from fpc.lineage import origin
from fpc.lineage.manifest import Manifest, ManifestError, read
from fpc.table import Row, parents, rows, section_of


class Verdict(StrEnum):
    """What the audit says of an artifact, worst last."""

    VERIFIED = "verified"
    BEHIND = "behind"  # only code or environment moved since
    MISSING = "missing"  # files named by the manifest are not here, such as weights that were not pulled
    STALE = "stale"  # configuration or an input changed since
    UNVERIFIED = "unverified"  # files without a manifest
    TAMPERED = "tampered"  # content is not what the manifest says


SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}
ACCEPTABLE = (Verdict.VERIFIED, Verdict.BEHIND)


@dataclass(frozen=True)
class Finding:
    """The verdict on one artifact, with every reason."""

    artifact: Path
    verdict: Verdict
    reasons: tuple[str, ...] = ()


def verify(paths: Iterable[Path], configurations: Mapping[str, Configuration]) -> Iterator[Finding]:
    """Verdict on every manifest below ``paths`` and on folders of files that have none.

    Args:
        paths: folders, or manifests.
        configurations: by results label; artifacts of other labels are checked without their config.
    """
    table = {row.manifest: row for configuration in configurations.values() for row in rows(configuration)}
    known: dict[Path, Finding] = {}

    def finding(path: Path) -> Finding:
        """Verdict on a manifest; what is made from something stale is stale, however far away."""
        if path not in known:
            row = table.get(path)
            own = examine(path, row, configurations.get(row.label) if row else None)
            known[path] = own
            known[path] = _with_parents(own, [finding(parent) for parent in _parent_paths(path)])
        return known[path]

    for path in paths:
        for manifest in sorted(_manifests(path)):
            yield finding(manifest)
        yield from _strays(path)


def examine(path: Path, row: Row | None, configuration: Configuration | None) -> Finding:
    """Verdict on one artifact."""
    try:
        manifest = read(path)
    except ManifestError as error:
        return Finding(path, Verdict.TAMPERED, (str(error),))
    findings = [*_subjects(manifest), *_parents(manifest), *_code(manifest)]
    if digest_of(manifest.definition["externalParameters"]["section"]) != manifest.section_digest:
        findings.append((Verdict.TAMPERED, "the manifest's section does not have the digest it names"))
    if not manifest.is_whole:
        findings.append((Verdict.TAMPERED, "the manifest was altered: it does not have the digest it names"))
    if row is not None and configuration is not None:
        findings += _configuration(row, configuration, manifest)
    verdict = max((verdict for verdict, _ in findings), key=SEVERITY.__getitem__, default=Verdict.VERIFIED)
    return Finding(path, verdict, tuple(reason for _, reason in findings))


def _parent_paths(path: Path) -> list[Path]:
    try:
        uris = [Path(uri) for uri in read(path).parents]
    except ManifestError:
        return []
    return [uri for uri in uris if not uri.is_absolute() and ".." not in uri.parts and uri.exists()]


def _with_parents(own: Finding, made_from: list[Finding]) -> Finding:
    """A finding that is at least stale where a parent's files are stale or tampered."""
    wrong = [parent for parent in made_from if parent.verdict in (Verdict.STALE, Verdict.TAMPERED)]
    if not wrong or own.verdict == Verdict.TAMPERED:
        return own
    reasons = tuple(f"parent {parent.artifact} is {parent.verdict}" for parent in wrong)
    return Finding(own.artifact, Verdict.STALE, own.reasons + reasons)


def _configuration(
    row: Row, configuration: Configuration, manifest: Manifest
) -> Iterator[tuple[Verdict, str]]:
    if digest_of(section_of(configuration, row)) != manifest.section_digest:
        yield Verdict.STALE, "its configuration section has changed"
    expected = {parent.manifest.as_posix() for parent in parents(configuration, row)}
    if set(manifest.parents) != expected:
        yield Verdict.STALE, "it was made from other runs than the configuration asks for now"


def _manifests(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
        return
    for found in path.rglob("*manifest.json"):
        if not _hidden(found, path):
            yield found


def _hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)


def _subjects(manifest: Manifest) -> Iterator[tuple[Verdict, str]]:
    folder = manifest.path.parent
    for name, digest in manifest.subjects.items():
        file = folder / name
        if not file.resolve().is_relative_to(folder.resolve()):
            yield Verdict.TAMPERED, f"{name} lies outside the artifact's folder"
        elif not file.exists():
            yield Verdict.MISSING, f"{name} is not here"
        elif sha256_of(file) != digest:
            yield Verdict.TAMPERED, f"{name} is not the file that was made (sha256 differs)"


def _parents(manifest: Manifest) -> Iterator[tuple[Verdict, str]]:
    for uri, digest in manifest.parents.items():
        parent = Path(uri)
        if parent.is_absolute() or ".." in parent.parts:
            yield Verdict.TAMPERED, f"parent {uri} lies outside the project"
        elif not parent.exists():
            yield Verdict.STALE, f"parent {uri} is not here"
        elif sha256_of(parent) != digest:
            yield Verdict.STALE, f"parent {uri} is not the one it was made from"


def _code(manifest: Manifest) -> Iterator[tuple[Verdict, str]]:
    recorded = manifest.details["builder"]["code"]["modules"]
    moved = [
        name
        for name, digest in recorded.items()
        if origin.decides(name)
        and (not (origin.SOURCE / name).exists() or sha256_of(origin.SOURCE / name) != digest)
    ]
    if moved:
        yield Verdict.BEHIND, f"code changed since: {', '.join(moved)}"
    lock = manifest.details["environment"].get("lock_sha256")
    if lock is not None and origin.LOCK.exists() and sha256_of(origin.LOCK) != lock:
        yield Verdict.BEHIND, f"{origin.LOCK} changed since"


def _strays(path: Path) -> Iterator[Finding]:
    """Files in a run's folder that no manifest names."""
    if not path.is_dir():
        return
    named = set()
    for manifest in _manifests(path):
        named.add(manifest)
        try:
            named.update(manifest.parent / name for name in read(manifest).subjects)
        except ManifestError:
            continue
    for file in sorted(path.rglob("*")):
        if file.is_file() and not _hidden(file, path) and file not in named:
            yield Finding(file, Verdict.UNVERIFIED, ("no manifest names this file",))
