"""Files that are put back as they were: after an error, or in any case."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fpc.core.files import write_bytes


def content_of(path: Path) -> bytes | None:
    """What a file contains; None if there is none."""
    return path.read_bytes() if path.exists() else None


def put(path: Path, content: bytes | None) -> None:
    """Write a file unless it is so already; None: there is none."""
    if content is None:
        path.unlink(missing_ok=True)
    elif content_of(path) != content:
        write_bytes(path, content)


@contextmanager
def restored(*paths: Path) -> Iterator[None]:
    """After the block, these files are what they were before."""
    before = {path: content_of(path) for path in paths}
    try:
        yield
    finally:
        for path, content in before.items():
            put(path, content)


@contextmanager
def restored_after_error(path: Path) -> Iterator[None]:
    """After an error in the block, this file is what it was before."""
    before = content_of(path)
    try:
        yield
    except BaseException:
        put(path, before)
        raise
