"""One writer per run, also on network file systems without ``flock``."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock, FileLock, LeaseCompromise, SoftFileLease

LOCK_FILE = "lock"
LEASE_FILE = "lock.lease"
# What flock says on Lustre mounted without `-o flock`, and on other file systems that have no locks.
NO_FLOCK = (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK)
# After the death of its holder on another node, a lease holds this long: seconds that a run waits to resume.
LEASE_SECONDS = 120.0


def acquired(folder: Path) -> BaseFileLock:
    """The lock of a run's folder, held by this process until it is released or the process ends.

    It is a ``flock``, which the system releases when its holder dies. Where there is none, it is a file that
    the holder touches in intervals: another process may take it once it has seen no touch for
    ``LEASE_SECONDS``. A holder that loses its file ends at once, since another process works on its run. In a
    job of Slurm, a ``flock`` is waited for as well: NFS may keep that of a lost node for a while.

    Raises:
        filelock.Timeout: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE, fallback_to_soft=False)
    try:
        lock.acquire(timeout=1.25 * LEASE_SECONDS if "SLURM_JOB_ID" in os.environ else 0)
        return lock
    except OSError as error:
        if error.errno not in NO_FLOCK:
            raise
    lease = SoftFileLease(folder / LEASE_FILE, lease_duration=LEASE_SECONDS, on_compromise=_end)
    lease.acquire(timeout=1.25 * LEASE_SECONDS)
    return lease


def empty(folder: Path) -> None:
    """Empty a folder while its lock is held; the lock file goes last, or another process takes it.

    A lease removes its own file at its release.
    """
    for path in sorted(folder.iterdir(), key=lambda path: path.name == LOCK_FILE):
        if path.name == LEASE_FILE:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()  # filelock does not acquire a lock whose file is gone


def remove_empty(folder: Path) -> None:
    """Remove an emptied folder, after the release because network file systems keep open files."""
    with suppress(OSError):
        folder.rmdir()


def _end(loss: LeaseCompromise) -> None:
    """Stop as if killed: a checkpoint written now could replace one of the new holder."""
    print(f"fpc: {loss.lock_file} was lost ({loss.reason}); stopped without saving", file=sys.stderr)
    sys.stderr.flush()
    os._exit(128 + signal.SIGTERM)
