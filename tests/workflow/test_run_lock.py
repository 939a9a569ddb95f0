"""One writer per run, on file systems with and without flock."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from filelock import Timeout

from fpc.workflow import run_lock
from fpc.workflow.run_lock import LEASE_FILE, acquired

ROOT = Path(__file__).resolve().parents[2]
# The system's own answer, given to every flock of the process, as on Lustre mounted without `-o flock`.
WITHOUT_FLOCK = """
import errno, fcntl, os, sys, time
def flock(descriptor, operation): raise OSError(errno.{name}, os.strerror(errno.{name}))
fcntl.flock = flock
from pathlib import Path
from fpc.workflow import run_lock
run_lock.LEASE_SECONDS = {seconds}
lock = run_lock.acquired(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""
SECONDS = 4.0  # a holder on a busy machine must get to touch its file within this time
pytestmark = pytest.mark.slow


@pytest.fixture
def without_flock(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    monkeypatch.setattr(run_lock, "LEASE_SECONDS", SECONDS)


def holder(folder: Path, name: str = "ENOSYS") -> subprocess.Popen[str]:
    """Another process that holds the lock without flock."""
    program = WITHOUT_FLOCK.format(name=name, seconds=SECONDS)
    settings = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    process = subprocess.Popen(
        [sys.executable, "-c", program, folder], env=settings, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.usefixtures("without_flock")
@pytest.mark.parametrize("name", ["ENOSYS", "EOPNOTSUPP", "ENOLCK"])
def test_without_flock_a_living_holder_keeps_others_out(tmp_path: Path, name: str) -> None:
    other = holder(tmp_path, name)
    begin = time.monotonic()
    with pytest.raises(Timeout):
        acquired(tmp_path)
    assert time.monotonic() - begin > SECONDS  # it was watched for longer than its lease
    other.kill()
    other.wait()
    acquired(tmp_path).release()
    assert not (tmp_path / LEASE_FILE).exists()


@pytest.mark.usefixtures("without_flock")
def test_a_holder_that_shows_no_sign_of_life_is_replaced_and_ends_when_it_wakes(tmp_path: Path) -> None:
    """Stopped, it looks like the process of a node that was lost: its host cannot be asked."""
    other = holder(tmp_path)
    other.send_signal(signal.SIGSTOP)
    lock = acquired(tmp_path)
    other.send_signal(signal.SIGCONT)
    assert other.wait(20) == 128 + signal.SIGTERM
    assert (tmp_path / LEASE_FILE).exists()
    lock.release()


def test_other_errors_of_the_file_system_are_not_hidden(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr("fcntl.flock", flock)
    with pytest.raises(OSError, match="Input/output error"):
        acquired(tmp_path)
    assert not (tmp_path / LEASE_FILE).exists()
