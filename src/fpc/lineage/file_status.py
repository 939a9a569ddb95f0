"""Status of files given as strings: for tens of thousands, making each a ``Path`` takes longer than stat."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import cache
from stat import S_ISLNK, S_ISREG

NO_FILE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


def status_of(file: str, *, follow: bool = True) -> os.stat_result | None:
    """Status of a file; None if there is none.

    Args:
        file: its path.
        follow: for a link, return the status of its target instead of its own.

    Raises:
        OSError: it cannot be known whether there is one, such as in a folder of which one has no permission.
    """
    try:
        return os.stat(file, follow_symlinks=follow)  # noqa: PTH116
    except OSError as error:
        if error.errno in NO_FILE:
            return None
        raise


def is_file(file: str) -> bool:
    """Whether a path leads to a regular file, as far as one may know."""
    try:
        status = status_of(file)
    except OSError:
        return False
    return status is not None and S_ISREG(status.st_mode)


def under_link() -> Callable[[str], bool]:
    """A cached function that tells whether a folder, or one above it, is a link."""

    @cache
    def is_linked(folder: str) -> bool:
        status = status_of(folder, follow=False)
        above = folder.rpartition("/")[0]
        return (status is not None and S_ISLNK(status.st_mode)) or (bool(above) and is_linked(above))

    return is_linked
