"""Digests of files, cached between audits so that unchanged files are not read again."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from fpc.core.files import canonical_json, read_json, write_text
from fpc.lineage.artifact import RESULTS
from fpc.lineage.signing import is_signature

CACHE = RESULTS / ".audit" / "digests.json"
SHORT = 12  # digits shown of a digest
RACY = 2_000_000_000  # ns; a file changed this recently may change again without a new timestamp


class Digests:
    """sha256 and md5 of files.

    A cached digest is used if the file's size, both times, inode and device are unchanged since it was read.
    (The time of the last status change cannot be set, so a file that was altered and given its old
    modification time is read again.)

    Args:
        cache: the cache file; None keeps nothing between audits.
        deep: read every file again, regardless of the cache.
    """

    def __init__(self, cache: Path | None = CACHE, *, deep: bool = False) -> None:
        self._path = cache
        self._deep = deep
        self._known: dict[str, Any] = _cached(cache)
        self._fresh: dict[str, list[Any]] = {}

    def sha256(self, file: Path | str, status: os.stat_result | None = None) -> str:
        """Hexadecimal sha256.

        Args:
            file: the file.
            status: its status, if the caller already has it.

        Raises:
            OSError: the file cannot be read.
        """
        return self._digest(file, "sha256", status)

    def md5(self, path: Path) -> str:
        """Hexadecimal md5 as DVC computes it; for a folder, of the sorted list of its files' md5.

        Raises:
            OSError: a file cannot be read.
        """
        if not path.is_dir():
            return self._digest(path, "md5")
        files = {
            file.relative_to(path).as_posix(): file
            for file in path.rglob("*")
            if file.is_file() and not is_signature(file.name)  # .dvcignore excludes them too
        }
        entries = [{"md5": self._digest(files[name], "md5"), "relpath": name} for name in sorted(files)]
        text = json.dumps(entries, sort_keys=True)
        return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"

    def _digest(
        self, file: Path | str, algorithm: Literal["sha256", "md5"], status: os.stat_result | None = None
    ) -> str:
        def find() -> str:
            with Path(file).open("rb") as content:
                return hashlib.file_digest(content, algorithm).hexdigest()

        return self.once(file, algorithm, find, status)

    def once(
        self,
        file: Path | str,
        name: str,
        find: Callable[[], str],
        status: os.stat_result | None = None,
    ) -> str:
        """Result of ``find`` for a file's content, cached like its digests.

        Args:
            file: the file.
            name: unique name of what ``find`` computes.
            find: reads the file, or uses content read after ``status`` was taken.
            status: its status, if the caller already has it.

        Raises:
            OSError: the file cannot be read.
        """
        status = status or Path(file).stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
        key = f"{name} {file}"
        known = self._fresh.get(key) or (None if self._deep else self._known.get(key))
        if isinstance(known, list) and known[:-1] == stamp:
            return str(known[-1])
        begun = time.time_ns()  # before reading, which alone may take longer than RACY
        found = find()
        if begun - status.st_ctime_ns > RACY:
            self._fresh[key] = [*stamp, found]
        return found

    def save(self) -> None:
        """Write the cache if there is anything new; a cache that cannot be written is not an error."""
        if self._path is None or not self._fresh:
            return
        try:
            write_text(self._path, canonical_json({**self._known, **self._fresh}))
        except OSError:  # someone else's results, read-only
            return


def _cached(cache: Path | None) -> dict[str, Any]:
    """Content of a cache file; empty if it is not a valid cache."""
    try:
        found = {} if cache is None else read_json(cache)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
