"""The checks of one artifact; each yields verdicts with reasons, or nothing if it passes."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from pathlib import Path
from stat import S_ISLNK, S_ISREG
from typing import Any

from fpc.core.files import digest_of
from fpc.lineage import origin
from fpc.lineage.ancestry import is_inside
from fpc.lineage.artifact import FIGURE_SUFFIXES, Row, is_heavy
from fpc.lineage.digests import Digests
from fpc.lineage.dvc_cache import cache_folder
from fpc.lineage.dvc_lock import Absence
from fpc.lineage.file_status import status_of
from fpc.lineage.manifest import Manifest, ManifestError, read
from fpc.lineage.places import real_folder
from fpc.lineage.project import Project
from fpc.lineage.sections import changed
from fpc.lineage.verdict import Check, Verdict, named, unreadable

TEXTS = (".csv", ".json", ".md", ".html", ".svg", ".txt")
HEADER_LIMIT = 100_000_000  # bytes, of the header of a safetensors file


def altered(manifest: Manifest) -> str:
    """Why the manifest is not the one that was written; empty if its digests match its content."""
    if digest_of(manifest.definition["externalParameters"]["section"]) != manifest.section_digest:
        return "the manifest's section does not match its digest"
    return "" if manifest.is_intact else "the manifest was altered: it does not match its own digest"


def identity(manifest: Manifest, alteration: str) -> Check:
    """Check that the manifest was not altered, and is where its run's manifest belongs.

    Args:
        manifest: the artifact's manifest.
        alteration: result of :func:`altered`.
    """
    if alteration:
        yield Verdict.TAMPERED, alteration
    try:
        row = row_of(manifest)
        expected = row.manifest
    except (TypeError, IndexError):
        yield Verdict.TAMPERED, "the manifest does not name a run"
        return
    if expected != manifest.path:
        yield Verdict.TAMPERED, f"the manifest is that of {row.title}, which belongs at {expected}"
    needed = {f"{row.name}{suffix}" for suffix in FIGURE_SUFFIXES} if row.phase == "figure" else set()
    absent = sorted(needed - manifest.subjects.keys())
    if absent or not manifest.subjects:
        yield Verdict.TAMPERED, f"the manifest does not name {named(absent) or 'any file'}"


def row_of(manifest: Manifest) -> Row:
    """The row that a manifest names.

    Raises:
        TypeError: it does not name one.
    """
    run = dict(manifest.run)
    return Row(**{**run, "seeds": tuple(run.get("seeds") or ())})


def files(
    manifest: Manifest,
    digests: Digests,
    under_link: Callable[[str], bool],
    absence: Callable[[Manifest, list[str]], Absence],
) -> Check:
    """Check that every file is present, inside the artifact's folder, and matches the manifest.

    Args:
        manifest: the artifact's manifest.
        digests: digests of files.
        under_link: from :func:`fpc.lineage.file_status.under_link`.
        absence: says why files are not here, see :func:`fpc.lineage.dvc_lock.absence`.
    """
    absent = []
    for item in manifest.statement["subject"]:
        try:
            status = _status(manifest.path.parent, item["name"], under_link)
            if status is None:
                absent.append(item["name"])
            else:
                yield from _content(manifest.path.parent, status, item, digests)
        except TamperedError as error:
            yield Verdict.TAMPERED, str(error)
        except OSError as error:
            yield unreadable(item["name"], error)
    found = absence(manifest, absent)
    yield from _not_here(Verdict.ABSENT, found.fetchable, "; dvc pull fetches what is recorded")
    yield from _not_here(Verdict.ABSENT, found.unkept, ", and not kept; git has this manifest's digest")
    heavy = [name for name in found.lost if is_heavy(name)]
    yield from _not_here(Verdict.MISSING, heavy, "; DVC has no record of it with this manifest")
    yield from _not_here(Verdict.MISSING, [name for name in found.lost if name not in heavy])


def _not_here(verdict: Verdict, names: Sequence[str], remedy: str = "") -> Check:
    if names:
        yield verdict, f"{named(names)} {'is' if len(names) == 1 else 'are'} not here{remedy}"


class TamperedError(Exception):
    """A file is not where, or what, a file of the artifact may be; the text says how."""


def _status(folder: Path, name: str, under_link: Callable[[str], bool]) -> os.stat_result | None:
    """Status of a file of an artifact, following links into its folder or DVC's cache; None if not here.

    Raises:
        TamperedError: it lies elsewhere.
        OSError: a folder on the way cannot be read.
    """
    if not is_inside(name):
        raise TamperedError(f"{name} lies outside the artifact's folder")
    file = f"{folder}/{name}"  # making a Path takes longer than a file's stat
    status = status_of(file, follow=False)
    if status is None or not (S_ISLNK(status.st_mode) or under_link(file.rpartition("/")[0])):
        return status
    if leads_outside(Path(file), folder):
        raise TamperedError(
            f"{name} is a link out of the artifact's folder; if it leads into a cache of DVC, say so: "
            "dvc cache dir --local <its folder>"
        )
    return status_of(file)


def _content(folder: Path, status: os.stat_result, item: Mapping[str, Any], digests: Digests) -> Check:
    name, file = item["name"], f"{folder}/{item['name']}"
    if not S_ISREG(status.st_mode):
        yield Verdict.TAMPERED, f"{name} is not a file"
    elif (wrong := _other_content(file, status, item, digests)) is not None:
        text = f"{name} is not the file that was made ({wrong} differs)"
        if name.endswith(TEXTS) and _is_converted(Path(file), item["digest"]["sha256"]):
            text += f": only its line ends or byte-order mark do; git checkout -- {file}"
        yield Verdict.TAMPERED, text
    elif name.endswith(".safetensors") and not is_safetensors(Path(file)):
        yield Verdict.TAMPERED, f"{name} does not contain weights (no safetensors header)"


def _is_converted(file: Path, digest: str) -> bool:
    """Whether a text was saved again by a program that changes line ends or adds a byte-order mark."""
    content = file.read_bytes().removeprefix(BOM_UTF8).replace(b"\r\n", b"\n")
    return hashlib.sha256(content).hexdigest() == digest


def _other_content(
    file: str, status: os.stat_result, item: Mapping[str, Any], digests: Digests
) -> str | None:
    """What differs between a file and its manifest entry: size, sha256 or None."""
    if status.st_size != item["size"]:
        return "size"
    return None if digests.sha256(file, status) == item["digest"]["sha256"] else "sha256"


def leads_outside(file: Path, folder: Path) -> bool:
    """Whether a file, or a folder above it, is a link that leads neither into ``folder`` nor DVC's cache."""
    if not any(path.is_symlink() for path in (file, *file.parents)):
        return False
    try:
        target = file.resolve()
    except (OSError, RuntimeError):  # a loop of links
        return True
    return not (target.is_relative_to(real_folder(folder)) or target.is_relative_to(cache_folder()))


def is_safetensors(file: Path) -> bool:
    """Whether a file begins like safetensors: with the length of a JSON object, then that object.

    Nothing in it is executed; a pickle under that name is refused.
    """
    with file.open("rb") as content:
        start = content.read(8)
        if len(start) < 8 or (size := struct.unpack("<Q", start)[0]) > HEADER_LIMIT:
            return False
        try:
            return isinstance(json.loads(content.read(size)), dict)
        except (ValueError, RecursionError):
            return False


def parents(manifest: Manifest, digests: Digests) -> Check:
    """Check that every parent is here, and is the one that the artifact was made from."""
    for uri, digest in manifest.parents.items():
        if not is_inside(uri):
            yield Verdict.TAMPERED, f"parent {uri} lies outside the project"
            continue
        try:
            if (status := status_of(uri)) is None or not S_ISREG(status.st_mode):
                yield Verdict.STALE, f"parent {uri} is not here"
            elif digests.sha256(uri, status) != digest:
                yield _other_parent(manifest, Path(uri))
        except OSError as error:
            yield unreadable(f"parent {uri}", error)


def _other_parent(manifest: Manifest, parent: Path) -> tuple[Verdict, str]:
    """Tell a parent made again, which is newer than its child, from an older one put in its place."""
    try:
        begun, ended = (
            datetime.fromisoformat(details["metadata"][key])
            for details, key in ((manifest.details, "startedOn"), (read(parent).details, "finishedOn"))
        )
        replaced = ended < begun
    except (ManifestError, KeyError, TypeError, ValueError):
        replaced = True
    if replaced:
        return Verdict.TAMPERED, (
            f"parent {parent} is not the one it was made from, and was not made again since: it was replaced"
        )
    return Verdict.STALE, f"parent {parent} is not the one it was made from: it was made again since"


def configured(
    row: Row, project: Project, manifest: Manifest, section_digest: Callable[[Project, Row], str]
) -> Check:
    """Check that the configuration asks for the same section and the same parents.

    Args:
        row: the row that belongs at the manifest's path.
        project: the row's project.
        manifest: the artifact's manifest.
        section_digest: from :func:`section_digests`.
    """
    if row_of(manifest) != row:
        yield Verdict.TAMPERED, "the manifest does not name the run that belongs here"
    if section_digest(project, row) != manifest.section_digest:
        then = manifest.definition["externalParameters"]["section"]
        if words := changed(then, project.section(row)):
            yield Verdict.STALE, f"its configuration section has changed: {words}"
    expected = {parent.manifest.as_posix() for parent in project.parents(row)}
    if differing := [
        f"{what} {named(sorted(uris))}"
        for what, uris in (
            ("without", expected - manifest.parents.keys()),
            ("with", manifest.parents.keys() - expected),
        )
        if uris
    ]:
        words = " and ".join(differing)
        yield Verdict.STALE, f"it was made from different runs than the configuration now asks for: {words}"


def section_digests() -> Callable[[Project, Row], str]:
    """A function that returns the digest of a row's section; rows that differ only in seeds share it."""
    known: dict[Row, str] = {}

    def digest(project: Project, row: Row) -> str:
        key = replace(row, seeds=())
        if key not in known:
            known[key] = digest_of(project.section(row))
        return known[key]

    return digest


def code(manifest: Manifest, digests: Digests) -> Check:
    """Check that every module named in the manifest, and the lock file, are unchanged."""
    recorded: Mapping[str, str] = manifest.details["builder"]["code"]["modules"]
    if not recorded:
        yield Verdict.BEHIND, "the manifest names no code"
    if not manifest.has_digest:
        yield Verdict.BEHIND, "the manifest has no digest of itself, so an edit of it could go unnoticed"
    moved = [
        name for name, digest in recorded.items() if decides(name) and origin.digest_at_start(name) != digest
    ]
    if moved:
        yield Verdict.BEHIND, f"code changed since: {named(moved)}"
    lock = manifest.details["environment"].get("lock_sha256")
    if lock is not None and origin.REQUIREMENTS.exists() and digests.sha256(origin.REQUIREMENTS) != lock:
        yield Verdict.BEHIND, f"{origin.REQUIREMENTS} changed since"


decides = cache(origin.decides)
