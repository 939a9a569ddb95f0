"""Killed drivers, two drivers at once, a killed evaluation, and a clock that goes back."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fpc.core.files import read_json
from fpc.lineage.manifest import read
from tests.workflow.chain import environment

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
MANIFEST = "results/small/robotic_sequence/finetune/scratch/seed_0/manifest.json"


def prepared(folder: Path, steps: int = 2400) -> Path:
    for name in ("configs", "workflow"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    shutil.copy(ROOT / "Snakefile", folder)
    shutil.copy(ROOT / "tests" / "tiny.yaml", folder / "configs")
    text = (ROOT / "tests" / "small.yaml").read_text(encoding="utf-8")
    (folder / "configs" / "small.yaml").write_text(text.replace("steps: 480\n", f"steps: {steps}\n"), "utf-8")
    return folder


def settings(project: Path) -> dict[str, str]:
    return environment(project, ROOT) | {"FPC_CHECKPOINT_SECONDS": "0"}


class Driver:
    """Snakemake in a process; it prints to a file, because a trainer left behind would keep a pipe open."""

    def __init__(self, project: Path, target: str = MANIFEST, scale: str = "small") -> None:
        words = ["--profile", "workflow/profiles/local", "--config", f"scale={scale}", "--", target]
        self.output = project / f"driver_{time.monotonic_ns()}.txt"
        with self.output.open("w", encoding="utf-8") as file:
            self.process = subprocess.Popen(
                [BIN / "snakemake", *words], cwd=project, env=settings(project), stdout=file, stderr=file
            )

    def finish(self) -> tuple[int, str]:
        """Exit code and output."""
        return self.process.wait(240), self.output.read_text(encoding="utf-8")


def trainer(project: Path) -> psutil.Process:
    """The process that trains, once it has written a checkpoint."""
    deadline = time.monotonic() + 120
    while not list(project.glob("results/.runs/*/state/**/checkpoint_*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    (record,) = project.glob("results/.runs/*/run.json")
    return psutil.Process(read_json(record)["attempts"][-1]["process"])


def test_a_killed_driver_leaves_a_trainer_that_nobody_disturbs(tmp_path: Path) -> None:
    project = prepared(tmp_path, steps=9600)
    first = Driver(project)
    training = trainer(project)
    first.process.send_signal(signal.SIGKILL)
    first.process.wait()
    assert training.is_running()
    unlock = subprocess.run(
        [BIN / "snakemake", "--unlock", "--config", "scale=small"],
        cwd=project, env=settings(project), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert unlock.returncode == 0, unlock.stderr
    code, output = Driver(project).finish()
    assert code == 1
    assert f"another process is working on this run (process {training.pid})" in output
    training.wait(120)
    code, output = Driver(project).finish()
    assert (code, "Nothing to be done" in output) == (0, True), output
    metadata = read(project / MANIFEST).details["metadata"]
    assert (metadata["attempts"], metadata["steps"]) == (1, 9600)


def test_two_drivers_do_not_work_in_the_same_folder(tmp_path: Path) -> None:
    project = prepared(tmp_path)
    first = Driver(project)
    trainer(project)
    code, output = Driver(project).finish()
    assert code == 1
    assert "cannot be locked" in output
    code, output = first.finish()
    assert code == 0, output
    assert read(project / MANIFEST).details["metadata"]["attempts"] == 1


def test_a_closed_terminal_saves_and_leaves_no_lock(tmp_path: Path) -> None:
    """Its shell ends, and all that it started get SIGHUP and cannot print any more."""
    project = prepared(tmp_path, steps=4800)
    terminal, inner = pty.openpty()
    words = ["--profile", "workflow/profiles/local", "--config", "scale=small", "--", MANIFEST]
    driver = subprocess.Popen(
        ["setsid", "--ctty", "sh", "-c", '"$@"; exit', "sh", BIN / "snakemake", *words],
        cwd=project, env=settings(project), stdin=inner, stdout=inner, stderr=inner,
    )  # fmt: skip
    os.close(inner)
    trainer(project)
    started = psutil.Process(driver.pid).children(recursive=True)
    os.close(terminal)
    driver.wait(60)
    assert psutil.wait_procs(started, 60)[1] == []
    (record,) = project.glob("results/.runs/*/run.json")
    assert read_json(record)["attempts"][0]["how"] == "stopped by SIGHUP"
    code, output = Driver(project).finish()
    assert code == 0, output
    metadata = read(project / MANIFEST).details["metadata"]
    assert (metadata["attempts"], metadata["steps"]) == (2, 4800)


def fpc(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    words = [*arguments, "--scale=small", "--experiment=robotic_sequence"]
    return subprocess.run(
        [BIN / "fpc", *words],
        cwd=project,
        env=settings(project),
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_killed_evaluation_resumes_at_its_milestone(tmp_path: Path) -> None:
    whole = prepared(tmp_path / "whole", steps=240)
    for phase in ("pretrain", "collect"):
        fpc(whole, phase)
    fpc(whole, "finetune", "--method=scratch")
    killed = tmp_path / "killed"
    shutil.copytree(whole, killed)
    fpc(whole, "evaluate", "--method=scratch")
    words = ["evaluate", "--method=scratch", "--scale=small", "--experiment=robotic_sequence"]
    process = subprocess.run(
        [sys.executable, "-m", "tests.crash.faulty", "after:episodes.parquet:1", *words],
        cwd=killed, env=settings(killed), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert process.returncode == -signal.SIGKILL, process.stderr
    place = Path("results/small/robotic_sequence/evaluate/scratch/seed_0/manifest.json")
    assert not (killed / place).exists()
    fpc(killed, "evaluate", "--method=scratch")
    assert read(killed / place).subjects == read(whole / place).subjects
    assert read(killed / place).details["metadata"]["attempts"] == 2


@pytest.mark.parametrize("phase", ["collect", "pretrain"])
def test_a_clock_that_goes_back_makes_nothing_again(tmp_path: Path, phase: str) -> None:
    """The clock says that the child, or its parent after a first attempt, was made yesterday."""
    project = prepared(tmp_path)
    back = (
        "import sys, fpc.workflow.run as runs; from datetime import datetime, timedelta, UTC; "
        "runs._now = lambda: (datetime.now(UTC) - timedelta(days=1)).isoformat(timespec='milliseconds'); "
        "from fpc.cli.main import main; main()"
    )
    common = ["--scale=tiny", "--experiment=two_state_mdp"]
    for name in ("pretrain", "collect"):
        program = [sys.executable, "-c", back] if name == phase else [str(BIN / "fpc")]
        subprocess.run([*program, name, *common], cwd=project, env=settings(project), check=True)
    target = "results/tiny/two_state_mdp/collect/seed_0/manifest.json"
    code, output = Driver(project, target, "tiny").finish()
    assert (code, "Nothing to be done" in output) == (0, True), output
    audit = subprocess.run(
        [BIN / "fpc", "audit", "verify", "results/tiny"],
        cwd=project, env=settings(project), capture_output=True, text=True, check=False,
    )  # fmt: skip
    # Everything made is verified; the rest of the scale has not been made.
    assert (audit.returncode, audit.stdout.splitlines()[-1]) == (3, "2 verified, 5 missing"), audit.stdout
