"""Resumable downloads checked against a digest, and safe unpacking of archives."""

from __future__ import annotations

import logging
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from time import sleep

import requests
import urllib3

from fpc.core.errors import UserError
from fpc.core.files import fsync_folder, sha256_of

LOGGER = logging.getLogger(__name__)
CHUNK = 1 << 20
ATTEMPTS = 5
TIMEOUT = (10, 60)  # seconds: to connect, and between two chunks
LARGEST_RATIO = 100  # of unpacked to packed size; recordings hardly compress, saved games about tenfold
SMALLEST_LIMIT = 10 << 20
# Damaged; compressed in a way that zipfile does not know; encrypted.
UNREADABLE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class DownloadError(UserError):
    """A file cannot be obtained or is not the expected one; the message says what to do."""


def download(url: str, target: Path, *, size: int | None = None, sha256: str | None = None) -> str:
    """Download to ``target``, resuming from the ``<target>.part`` of an interrupted attempt.

    Args:
        url: address of the file.
        target: where to put it; the file appears there complete and checked, or not at all.
        size: expected size in bytes.
        sha256: expected hexadecimal digest.

    Returns:
        The sha256 of the file.

    Raises:
        DownloadError: the host is unreachable, the transfer is cut off repeatedly, the answer is a web page,
            the disk is full, or the size or content is not as expected.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    for attempt in range(ATTEMPTS):
        try:
            if sha256 is None and not _validator(part).exists():
                part.unlink(missing_ok=True)  # it might be part of another version of the file
            _resume(url, part, size)
            break
        except requests.HTTPError as error:
            raise DownloadError(f"{url}: {error}; check the address, or download the file by hand") from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            have = part.stat().st_size if part.exists() else 0
            LOGGER.warning("%s: cut off at %d bytes (%s)", url, have, error)
            if attempt == ATTEMPTS - 1:
                raise DownloadError(
                    f"{url}: cut off at {have} bytes, {ATTEMPTS} times; run the command again to resume"
                ) from error
            sleep(min(2**attempt - 1, 30))
    digest = check_file(part, url, size=size, sha256=sha256, remove=True)
    part.replace(target)
    _validator(part).unlink(missing_ok=True)
    fsync_folder(target.parent)
    return digest


def check_file(path: Path, origin: str, *, size: int | None, sha256: str | None, remove: bool = False) -> str:
    """Check size and digest of a file and return its sha256.

    Raises:
        DownloadError: they differ; with ``remove`` the file is deleted, so that it is not resumed.
    """
    found, digest = path.stat().st_size, sha256_of(path)
    problem = None
    if size is not None and found != size:
        problem = f"{found} bytes, expected {size}"
    elif sha256 is not None and digest != sha256:
        problem = f"sha256 {digest}, expected {sha256}"
    if problem is None:
        return digest
    if remove:
        path.unlink()
        _validator(path).unlink(missing_ok=True)
    raise DownloadError(
        f"{origin}: {problem}. The file was refused; try again later. If the host replaced it and you "
        "trust the new one, remove its entry from the lock file"
    )


def _validator(part: Path) -> Path:
    """The file that stores the host's version tag (ETag or date) for ``part``."""
    return part.with_name(f"{part.name}.version")


def _resume(url: str, part: Path, size: int | None) -> None:
    """Request the rest of ``part`` and append it."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if _validator(part).exists():
            headers["If-Range"] = _validator(part).read_text(encoding="utf-8")
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == requests.codes.requested_range_not_satisfiable:
            if have == _total(answer, 0):
                return
            part.unlink()  # not the beginning of this file
            raise requests.ConnectionError("the partial file was longer than the file itself")
        answer.raise_for_status()
        if answer.headers.get("Content-Type", "").startswith("text/html"):
            raise DownloadError(
                f"{url} returned a web page, not a file: open it in a browser, download the file there "
                "and pass it with --file"
            )
        begin = have if answer.status_code == requests.codes.partial_content else 0
        total = _total(answer, begin)
        _check_announced(url, part, total, begin, size)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        if version and not version.startswith("W/"):
            _validator(part).write_text(version, encoding="utf-8")
        with part.open("r+b" if begin else "wb") as file:
            file.seek(begin)
            while chunk := answer.raw.read1(CHUNK):  # keeps what arrived, even if the rest does not
                file.write(chunk)
        have = part.stat().st_size
        if total is not None and have < total:
            raise requests.ConnectionError(f"{have} of {total} bytes")


def _total(answer: requests.Response, begin: int) -> int | None:
    """Size of the whole file in bytes; None if the host does not say."""
    _, _, whole = answer.headers.get("Content-Range", "").partition("/")
    if whole.isdigit():
        return int(whole)
    length = answer.headers.get("Content-Length", "")
    return begin + int(length) if length.isdigit() else None


def _check_announced(url: str, part: Path, total: int | None, begin: int, size: int | None) -> None:
    if total is None:
        return
    if size is not None and total != size:
        raise DownloadError(f"{url}: the host has {total} bytes, expected {size}; the host changed the file")
    free = shutil.disk_usage(part.parent).free
    if total - begin > free:
        raise DownloadError(
            f"{url}: {total - begin} bytes to download, {free} free in {part.parent}; make room"
        )


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a zip file into a folder; nothing is written if any member is unsafe.

    Returns:
        Number of files.

    Raises:
        DownloadError: not a zip file; a member is a link or special file, or its path is absolute or has
            ``..``, a backslash or a drive; the unpacked size is implausibly large.
    """
    with _opened(archive) as (opened, members):
        for member in members:
            target = folder / member.filename
            target.parent.mkdir(parents=True, exist_ok=True)
            # zipfile stops at the declared size, which was checked, and verifies the CRC.
            with opened.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, CHUNK)
        return len(members)


def check_archive(archive: Path, pattern: str) -> None:
    """Check that ``unpack`` would unpack a zip file, by reading all of it, and that it has what we need.

    Args:
        archive: the zip file.
        pattern: shell pattern that the path of at least one member matches.

    Raises:
        DownloadError: see ``unpack``; or no member matches.
    """
    with _opened(archive) as (opened, members):
        if not any(fnmatchcase(member.filename, pattern) for member in members):
            raise DownloadError(f"{archive}: no {pattern} in this zip file, so it is another one")
        for member in members:
            with opened.open(member) as source:
                while source.read(CHUNK):
                    pass


@contextmanager
def _opened(archive: Path) -> Iterator[tuple[zipfile.ZipFile, list[zipfile.ZipInfo]]]:
    """A zip file and its files, none of which is unsafe."""
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            for member in opened.infolist():
                _check_member(archive, member)
            limit = max(LARGEST_RATIO * archive.stat().st_size, SMALLEST_LIMIT)
            if sum(member.file_size for member in members) > limit:
                raise DownloadError(f"{archive}: unpacks to more than {limit} bytes; the archive was refused")
            yield opened, members
    except UNREADABLE as error:
        raise DownloadError(f"{archive}: not a readable zip file ({error}); download it again") from error


def _check_member(archive: Path, member: zipfile.ZipInfo) -> None:
    check_inside(archive, member.filename)
    file_type = stat.S_IFMT(member.external_attr >> 16)
    if file_type not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise DownloadError(
            f"{archive}: {member.filename!r} is a link or special file; the archive was refused"
        )


def check_inside(origin: object, name: str) -> None:
    """Check that a relative path stays inside its folder.

    Raises:
        DownloadError: the path is absolute, contains ``..``, or is not a plain path.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise DownloadError(f"{origin}: {name!r} points outside its folder; it was refused")
