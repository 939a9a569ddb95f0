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

from fpc.core.processes import process_pool, processes_wanted, usable_cores

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
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"},
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


def test_usable_cores_are_those_that_the_process_is_bound_to() -> None:
    """As a cluster binds a job to some cores of its node."""
    core = min(os.sched_getaffinity(0))
    program = "from fpc.core.processes import usable_cores; print(usable_cores())"
    bound = subprocess.run(
        ["taskset", "--cpu-list", str(core), sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert bound.stdout == "1\n"
    assert usable_cores() == len(os.sched_getaffinity(0))


def test_a_job_says_how_many_processes_its_run_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FPC_PROCESSES", raising=False)
    assert (processes_wanted(), processes_wanted(otherwise=3)) == (1, 3)
    monkeypatch.setenv("FPC_PROCESSES", "12")
    assert (processes_wanted(), processes_wanted(otherwise=3)) == (12, 12)
    monkeypatch.setenv("FPC_PROCESSES", "0")
    with pytest.raises(ValueError, match="FPC_PROCESSES must be an integer of at least 1, not '0'"):
        processes_wanted()
