"""Digests of files, remembered between audits, so that a file that did not change is not read again."""

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
SHORT = 12  # digits of a digest that are shown
RACY = 2_000_000_000  # ns; a file that changed so shortly before it was read may change again unseen


class Digests:
    """sha256 and md5 of files.

    A digest is taken from the cache where size, both times, inode and device of the file are those at the
    time it was read. (The time of the last status change cannot be set, so a file that was altered and
    got its old modification time back is read again.)

    Args:
        cache: file that remembers; None remembers nothing between audits.
        deep: read every file again, whatever the cache says.
    """

    def __init__(self, cache: Path | None = CACHE, *, deep: bool = False) -> None:
        self._path = cache
        self._deep = deep
        self._known: dict[str, Any] = _remembered(cache)
        self._fresh: dict[str, list[Any]] = {}

    def sha256(self, file: Path | str, status: os.stat_result | None = None) -> str:
        """Hexadecimal sha256.

        Args:
            file: the file.
            status: its status, where the caller has just asked for it.

        Raises:
            OSError: the file cannot be read.
        """
        return self._digest(file, "sha256", status)

    def md5(self, path: Path) -> str:
        """Hexadecimal md5 as DVC names contents; of a folder that of the sorted list of its files' md5.

        Raises:
            OSError: a file cannot be read.
        """
        if not path.is_dir():
            return self._digest(path, "md5")
        files = {
            file.relative_to(path).as_posix(): file
            for file in path.rglob("*")
            if file.is_file() and not is_signature(file.name)  # .dvcignore has them too
        }
        entries = [{"md5": self._digest(files[name], "md5"), "relpath": name} for name in sorted(files)]
        text = json.dumps(entries, sort_keys=True)
        return f"{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}.dir"

    def _digest(
        self, file: Path | str, kind: Literal["sha256", "md5"], status: os.stat_result | None = None
    ) -> str:
        def find() -> str:
            with Path(file).open("rb") as content:
                return hashlib.file_digest(content, kind).hexdigest()

        return self.once(file, kind, find, status)

    def once(
        self,
        file: Path | str,
        kind: str,
        find: Callable[[], str],
        status: os.stat_result | None = None,
    ) -> str:
        """What ``find`` gives for a file's content, remembered as its digests are.

        Args:
            file: the file.
            kind: what is found; a name of its own.
            find: reads the file, or has its content from after ``status``.
            status: its status, where the caller has just asked for it.

        Raises:
            OSError: the file cannot be read.
        """
        status = status or Path(file).stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev]
        key = f"{kind} {file}"
        known = self._fresh.get(key) or (None if self._deep else self._known.get(key))
        if isinstance(known, list) and known[:-1] == stamp:
            return str(known[-1])
        begun = time.time_ns()  # before reading, which may take longer than RACY by itself
        found = find()
        if begun - status.st_ctime_ns > RACY:
            self._fresh[key] = [*stamp, found]
        return found

    def save(self) -> None:
        """Write the cache where there is something new; quietly not where it cannot be written."""
        if self._path is None or not self._fresh:
            return
        try:
            write_text(self._path, canonical_json({**self._known, **self._fresh}))
        except OSError:  # the results of someone else, looked at only
            return


def _remembered(cache: Path | None) -> dict[str, Any]:
    """What a cache holds; nothing where it is none."""
    try:
        found = {} if cache is None else read_json(cache)
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
