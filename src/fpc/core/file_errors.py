"""What a person can do about an error of the file system: no room, no permission, a broken disk."""

from __future__ import annotations

import errno
import os
import pwd
import shlex
from pathlib import Path

from fpc.core.errors import ConfigError

NO_PERMISSION = (errno.EACCES, errno.EPERM)
PASSING = (errno.EIO, errno.ESTALE)  # a shared disk that was away may be back
REMEDIES = {
    errno.ENOSPC: "make room, then run the same command again to resume",
    errno.EDQUOT: "make room, then run the same command again to resume",
    errno.EROFS: "the disk is mounted read-only; make it writable, or copy the checkout to another one",
    errno.EFBIG: "raise the limit on file sizes (ulimit -f), then run the same command again to resume",
    errno.ENAMETOOLONG: "move the checkout to a folder with a shorter path",
    errno.EIO: "check the disk, then run the same command again to resume",
    errno.ESTALE: "check the network file system, then run the same command again to resume",
}


def remedy_of(error: OSError) -> str | None:
    """One line: the file, what is wrong, and the remedy; None if the error is of another kind."""
    number = error.errno
    if number not in REMEDIES and number not in NO_PERMISSION:
        return None
    path = Path(os.fsdecode(error.filename or error.filename2 or Path.cwd()))
    remedy = _permission(path) if number in NO_PERMISSION else REMEDIES[number]
    return f"{path}: {error.strerror}; {remedy}"


def _permission(path: Path) -> str:
    """Who owns what is in the way, and how two people work in one checkout."""
    try:
        found = next(place for place in (path, *path.parents) if os.path.lexists(place))
        owner = found.lstat().st_uid
    except (OSError, StopIteration):
        return "ask its owner for permission"
    if owner == os.geteuid():
        return f"give yourself permission (chmod u+rwX {found})"
    if owner == 0:
        return (
            f"{found} belongs to root; work in a clone of your own or, if a command with sudo made it, run: "
            f"sudo chown -R {os.geteuid()}:{os.getegid()} {shlex.quote(str(Path.cwd()))}"
        )
    return (
        f"{found} belongs to {user_name(owner)}, and you are {user_name(os.geteuid())}; "
        "docs/how-to/share-a-checkout.md says how to share a checkout"
    )


def user_name(number: int) -> str:
    """Name of a user; the number if the system knows no name."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def check_writable(folder: Path) -> None:
    """Check that files can be made in a folder, or in the nearest one above it that exists.

    Raises:
        ConfigError: it is, or is below, a link that leads nowhere.
        OSError: the disk is read-only, or the user has no permission.
    """
    for place in (folder, *folder.parents):
        if place.is_symlink() and not place.exists():
            raise ConfigError(
                f"{place} is a link to {place.readlink()}, which is not there; mount that disk, "
                "make that folder, or remove the link"
            )
        if place.is_dir():
            if not os.access(place, os.W_OK | os.X_OK):
                read_only = os.statvfs(place).f_flag & os.ST_RDONLY
                number = errno.EROFS if read_only else errno.EACCES
                raise OSError(number, os.strerror(number), str(place))
            return
