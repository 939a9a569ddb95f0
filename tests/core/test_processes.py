"""Worker processes end with their parent, and immediately if the block fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fpc.core.processes import process_pool

ROOT = Path(__file__).resolve().parents[2]


def mark(path: str) -> None:
    Path(path).write_text("started", encoding="utf-8")


def slow(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def test_a_pool_runs_its_initialiser_and_returns_results(tmp_path: Path) -> None:
    with process_pool(2, mark, (str(tmp_path / "mark"),)) as pool:
        found = list(pool.map(slow, [0.0, 0.0, 0.0]))
    assert os.getpid() not in found
    assert (tmp_path / "mark").read_text(encoding="utf-8") == "started"


def test_a_failing_block_does_not_wait_for_its_processes() -> None:
    begin = time.monotonic()

    def fail() -> None:
        with process_pool(1) as pool:
            assert pool.submit(slow, 0.0).result()
            pool.submit(slow, 60.0)
            raise KeyError("failed")

    with pytest.raises(KeyError, match="failed"):
        fail()
    assert time.monotonic() - begin < 30


PROGRAM = """
import sys, time
from fpc.core import interruption
from fpc.core.processes import process_pool
from tests.core.test_processes import slow
if __name__ == "__main__":
    interruption.install()
    with process_pool(1) as pool:
        print(pool.submit(slow, 0.0).result(), flush=True)
        pool.submit(slow, 120.0).result()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_workers_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    process = subprocess.Popen(
        [sys.executable, program],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    worker = psutil.Process(int(process.stdout.readline()))
    worker.send_signal(signal.SIGTERM)  # as a cluster sends it to all processes of a job: the parent decides
    time.sleep(0.3)
    assert worker.is_running()
    process.send_signal(number)
    process.wait(30)
    _, alive = psutil.wait_procs([worker], timeout=20)
    assert not alive
