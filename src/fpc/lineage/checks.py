"""What the audit checks of one artifact; each check yields verdicts with reasons, none where all is well."""

from __future__ import annotations

import json
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from functools import cache
from pathlib import Path

from fpc.config.root import Configuration
from fpc.files import digest_of
from fpc.lineage import origin
from fpc.lineage.ancestry import is_inside
from fpc.lineage.digests import Digests
from fpc.lineage.manifest import Manifest, ManifestError, read
from fpc.table import Row, parents, section_of

SHOWN = 3  # of many names in a reason
DVC_CACHE = Path(".dvc/cache")
HEADER_LIMIT = 100_000_000  # bytes, of the header of a safetensors file


class Verdict(StrEnum):
    """What the audit says of an artifact, worst last."""

    VERIFIED = "verified"
    BEHIND = "behind"  # only code or environment moved since
    MISSING = "missing"  # not made, or files named by the manifest are not here, such as weights not pulled
    STALE = "stale"  # configuration or an input changed since
    UNVERIFIED = "unverified"  # files without a manifest
    TAMPERED = "tampered"  # content is not what the manifest says


Check = Iterator[tuple[Verdict, str]]


def itself(manifest: Manifest) -> Check:
    """The manifest has the digests it names, and stands where the run it names belongs."""
    if digest_of(manifest.definition["externalParameters"]["section"]) != manifest.section_digest:
        yield Verdict.TAMPERED, "the manifest's section does not have the digest it names"
    if not manifest.is_whole:
        yield Verdict.TAMPERED, "the manifest was altered: it does not have the digest it names"
    try:
        row = row_of(manifest)
    except (TypeError, KeyError, IndexError):
        yield Verdict.TAMPERED, "the manifest does not name a run"
        return
    if row.manifest != manifest.path:
        yield Verdict.TAMPERED, f"the manifest is that of {row.title}, which belongs to {row.manifest}"


def row_of(manifest: Manifest) -> Row:
    """The row that a manifest names.

    Raises:
        TypeError, KeyError, IndexError: it names none.
    """
    run = dict(manifest.run)
    return Row(**{**run, "seeds": tuple(run.get("seeds", ()))})


def files(manifest: Manifest, digests: Digests, under_link: Callable[[Path], bool]) -> Check:
    """Every file is here, inside the artifact's folder, with the content that the manifest names.

    Args:
        manifest: the artifact's.
        digests: of files.
        under_link: of :func:`under_link`.
    """
    folder = manifest.path.parent
    absent = []
    for name, digest in manifest.subjects.items():
        file = folder / name
        if not is_inside(name):
            yield Verdict.TAMPERED, f"{name} lies outside the artifact's folder"
            continue
        try:
            link = stat.S_ISLNK(file.lstat().st_mode) or under_link(file.parent)
        except OSError:
            absent.append(name)
            continue
        if link and leads_outside(file, folder):
            yield Verdict.TAMPERED, f"{name} is a link that lies outside the artifact's folder"
        elif link and not file.exists():
            absent.append(name)
        else:
            yield from _content(file, name, digest, digests)
    if absent:
        yield Verdict.MISSING, f"{named(absent)} {'is' if len(absent) == 1 else 'are'} not here"


def _content(file: Path, name: str, digest: str, digests: Digests) -> Check:
    if digests.sha256(file) != digest:
        yield Verdict.TAMPERED, f"{name} is not the file that was made (sha256 differs)"
    elif name.endswith(".safetensors") and not is_safetensors(file):
        yield Verdict.TAMPERED, f"{name} does not hold weights (no safetensors header)"


def under_link() -> Callable[[Path], bool]:
    """A function that tells whether a folder, or one above it, is a link; it asks of each folder once."""

    @cache
    def ask(folder: Path) -> bool:
        return folder.is_symlink() or (bool(folder.parts) and folder != folder.parent and ask(folder.parent))

    return ask


def leads_outside(file: Path, folder: Path) -> bool:
    """Whether a file, or a folder above it, is a link that ends neither in ``folder`` nor in DVC's cache."""
    if not any(path.is_symlink() for path in (file, *file.parents)):
        return False
    target = file.resolve()
    allowed = (Path.cwd() / folder, DVC_CACHE.resolve())
    return not any(target.is_relative_to(place) for place in allowed)


def is_safetensors(file: Path) -> bool:
    """Whether a file begins as safetensors do: the length of a JSON object, then that object.

    Nothing of it is executed; a pickle under that name is refused.
    """
    with file.open("rb") as content:
        start = content.read(8)
        if len(start) < 8 or (size := struct.unpack("<Q", start)[0]) > HEADER_LIMIT:
            return False
        try:
            return isinstance(json.loads(content.read(size)), dict)
        except ValueError:
            return False


def made_from(manifest: Manifest, digests: Digests) -> Check:
    """Every parent is here, and is the one that the artifact was made from."""
    for uri, digest in manifest.parents.items():
        if not is_inside(uri):
            yield Verdict.TAMPERED, f"parent {uri} lies outside the project"
        elif not Path(uri).exists():
            yield Verdict.STALE, f"parent {uri} is not here"
        elif digests.sha256(Path(uri)) != digest:
            yield _other_parent(manifest, Path(uri))


def _other_parent(manifest: Manifest, parent: Path) -> tuple[Verdict, str]:
    """A parent that was made again is younger than its child; one that is older was put there."""
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


def configured(row: Row, configuration: Configuration, manifest: Manifest) -> Check:
    """The configuration asks for the same section and the same parents."""
    if _section_digest(configuration, row) != manifest.section_digest:
        yield Verdict.STALE, "its configuration section has changed"
    expected = {parent.manifest.as_posix() for parent in parents(configuration, row)}
    if set(manifest.parents) != expected:
        yield Verdict.STALE, "it was made from other runs than the configuration asks for now"


_SECTION_DIGESTS: dict[tuple[int, str, str | None, str | None, str | None], str] = {}


def _section_digest(configuration: Configuration, row: Row) -> str:
    """Digest of a row's section; the same for all seeds."""
    key = (id(configuration), row.phase, row.experiment, row.method, row.name)
    if key not in _SECTION_DIGESTS:
        _SECTION_DIGESTS[key] = digest_of(section_of(configuration, row))
    return _SECTION_DIGESTS[key]


def code(manifest: Manifest, digests: Digests) -> Check:
    """Every module that was loaded, and the lock file, are still the same."""
    recorded: Mapping[str, str] = manifest.details["builder"]["code"]["modules"]
    now = origin.at_start()
    moved = [name for name, digest in recorded.items() if decides(name) and now.get(name) != digest]
    if moved:
        yield Verdict.BEHIND, f"code changed since: {named(moved)}"
    lock = manifest.details["environment"].get("lock_sha256")
    if lock is not None and origin.LOCK.exists() and digests.sha256(origin.LOCK) != lock:
        yield Verdict.BEHIND, f"{origin.LOCK} changed since"


decides = cache(origin.decides)


def named(names: list[str]) -> str:
    """The names, or how many they are with the first few."""
    if len(names) <= SHOWN:
        return ", ".join(names)
    return f"{len(names)} files ({', '.join(names[:SHOWN])}, ...)"
