"""Faults at random and chosen moments: a run resumes from its newest intact checkpoint and ends the same.

Both learners are real: SAC on Meta-World, APPO (Sample Factory, serial) on NetHack.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fpc.core.errors import TEMPORARY
from fpc.core.files import read_json
from fpc.lineage.manifest import Manifest, read

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
SEED = 5  # of the random moments
EXPERIMENT = {"sac": ("small", "robotic_sequence"), "appo": ("dungeon", "nethack")}
STEPS = {"sac": 2400, "appo": 4096}
BETWEEN = {"sac": ("steps: 480\n", "steps: 2400\n"), "appo": ("steps: 256,", "steps: 4096,")}
pytestmark = pytest.mark.slow


class Project:
    """A copy of the configuration, and commands that run in it."""

    def __init__(self, folder: Path, learner: str) -> None:
        self.folder, self.learner = folder, learner
        self.scale, self.experiment = EXPERIMENT[learner]
        shutil.copytree(ROOT / "configs", folder / "configs")
        text = (ROOT / "tests" / f"{self.scale}.yaml").read_text(encoding="utf-8")
        (folder / "configs" / f"{self.scale}.yaml").write_text(
            text.replace(*BETWEEN[learner]), encoding="utf-8"
        )

    def arguments(self, phase: str = "finetune") -> list[str]:
        return [phase, f"--scale={self.scale}", f"--experiment={self.experiment}", "--method=scratch"]

    def start(
        self, seconds: float = 0.0, moment: str | None = None, phase: str = "finetune"
    ) -> subprocess.Popen[str]:
        """Start a phase that writes a checkpoint every ``seconds``."""
        program = (
            [str(BIN / "fpc")] if moment is None else [sys.executable, "-m", "tests.crash.faulty", moment]
        )
        environment = {**os.environ, "FPC_CHECKPOINT_SECONDS": str(seconds), "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = str(ROOT)
        return subprocess.Popen(
            [*program, *self.arguments(phase)],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str]:
        """Exit code and error output."""
        _, errors = process.communicate(timeout=300)
        return process.returncode, errors

    def run(self, phase: str = "finetune") -> str:
        """Run to the end; it must succeed."""
        code, errors = self.finish(self.start(1e9, phase=phase))
        assert code == 0, errors
        return errors

    def artifact(self, phase: str = "finetune") -> Path:
        return self.folder / f"results/{self.scale}/{self.experiment}/{phase}/scratch/seed_0"

    def manifest(self, phase: str = "finetune") -> Manifest:
        return read(self.artifact(phase) / "manifest.json")

    def checkpoints(self) -> list[Path]:
        return sorted(self.folder.glob("results/.runs/*/state/**/checkpoint_*.json"))

    def wait_for_checkpoints(self, process: subprocess.Popen[str], number: int) -> None:
        """Wait until this many checkpoints were written (two are kept)."""
        seen: set[str] = set()
        deadline = time.monotonic() + 240
        while len(seen) < number:
            assert process.poll() is None, "the run ended before it could be disturbed"
            assert time.monotonic() < deadline
            seen |= {path.name for path in self.checkpoints()}
            time.sleep(0.01)


@pytest.fixture(scope="module", params=["sac", "appo"])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """An undisturbed run, including the phase ``evaluate``."""
    project = Project(tmp_path_factory.mktemp(request.param), request.param)
    project.run()
    return project


@pytest.fixture
def disturbed(undisturbed: Project, tmp_path: Path) -> Iterator[Project]:
    """A project to disturb; at the end only the published files of the run may be left."""
    project = Project(tmp_path, undisturbed.learner)
    yield project
    assert not list(project.folder.glob("results/.runs/*"))
    assert not list(project.folder.rglob("*.tmp"))


def assert_same(disturbed: Project, undisturbed: Project, attempts: int = 2) -> None:
    """Every file is identical to the undisturbed run's, and the manifest says what happened."""
    expected, found = undisturbed.manifest(), disturbed.manifest()
    assert found.subjects == expected.subjects
    assert len(found.subjects) > 3
    assert found.details["metadata"]["attempts"] == attempts


def assert_resumed(project: Project, said: str) -> None:
    """It resumed from a checkpoint, and said so."""
    assert "continuing from results/.runs/" in said
    assert 0 < project.manifest().details["metadata"]["resumed_from_step"] < STEPS[project.learner]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_stops(undisturbed: Project, disturbed: Project, number: signal.Signals) -> None:
    process = disturbed.start(seconds=1e9)  # no checkpoint except the one that the signal triggers
    wait_for_progress(disturbed, process)
    process.send_signal(number)
    code, errors = disturbed.finish(process)
    assert code == 128 + number, errors
    assert f"stopped by {number.name}; run the same command again" in errors
    assert len(disturbed.checkpoints()) == 1
    assert_resumed_run(undisturbed, disturbed)


def wait_for_progress(project: Project, process: subprocess.Popen[str]) -> None:
    """Wait until the run has made steps."""
    deadline = time.monotonic() + 240
    while True:
        assert process.poll() is None, "the run ended before it could be disturbed"
        assert time.monotonic() < deadline
        for path in project.folder.glob("results/.runs/*/progress.json"):
            if 0 < read_json(path)["step"] < STEPS[project.learner] // 2:
                return
        time.sleep(0.02)


def assert_resumed_run(undisturbed: Project, disturbed: Project) -> None:
    assert not (disturbed.artifact() / "manifest.json").exists()
    assert_resumed(disturbed, disturbed.run())
    assert_same(disturbed, undisturbed)


@pytest.mark.parametrize("checkpoints", random.Random(SEED).sample(range(1, 8), 2))
def test_sigkill_at_random_moments(undisturbed: Project, disturbed: Project, checkpoints: int) -> None:
    process = disturbed.start()
    disturbed.wait_for_checkpoints(process, checkpoints)
    process.kill()
    disturbed.finish(process)
    assert_resumed_run(undisturbed, disturbed)


@pytest.mark.parametrize(
    "moment",
    [
        "before:checkpoint_*.safetensors:3",  # the weights are written under a temporary name
        "before:checkpoint_*.json:3",  # the weights are written, their record is not
        "after:checkpoint_*.json:3",  # old checkpoints have not been removed yet
        "before:step_*.safetensors:2",  # a milestone
        "before:training.parquet:1",  # training is complete
    ],
)
def test_sigkill_while_saving(undisturbed: Project, disturbed: Project, moment: str) -> None:
    code, _ = disturbed.finish(disturbed.start(moment=moment))
    assert code == -signal.SIGKILL
    assert not (disturbed.artifact() / "manifest.json").exists()
    assert "continuing from results/.runs/" in disturbed.run()
    assert_same(disturbed, undisturbed)


def test_sigkill_before_publishing(undisturbed: Project, disturbed: Project) -> None:
    code, _ = disturbed.finish(disturbed.start(moment="before:seed_0:1"))
    assert code == -signal.SIGKILL
    assert not disturbed.artifact().exists()
    disturbed.run()
    assert_same(disturbed, undisturbed)


def test_sigkill_after_publishing(undisturbed: Project, disturbed: Project) -> None:
    code, _ = disturbed.finish(disturbed.start(moment="after:seed_0:1"))
    assert code == -signal.SIGKILL
    assert "is up to date" in disturbed.run()
    assert_same(disturbed, undisturbed, attempts=1)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "record"])
def test_a_damaged_newest_checkpoint_is_skipped(
    undisturbed: Project, disturbed: Project, damage: str
) -> None:
    process = disturbed.start()
    disturbed.wait_for_checkpoints(process, 4)
    process.kill()
    disturbed.finish(process)
    newest = disturbed.checkpoints()[-1]
    victim = newest if damage == "record" else newest.with_suffix(".safetensors")
    content = bytearray(victim.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 1
    victim.write_bytes(content if damage == "flipped" else content[:-20])
    said = disturbed.run()
    assert f"checkpoint {newest.relative_to(disturbed.folder)} is unusable" in said
    assert_resumed(disturbed, said)
    assert_same(disturbed, undisturbed)


def test_no_usable_checkpoint_is_an_error_and_training_does_not_restart(
    tmp_path: Path, undisturbed: Project
) -> None:
    project = Project(tmp_path, undisturbed.learner)
    process = project.start()
    project.wait_for_checkpoints(process, 3)
    process.kill()
    project.finish(process)
    for path in project.checkpoints():
        path.with_suffix(".safetensors").write_bytes(b"")
    code, errors = project.finish(project.start())
    assert code == 1
    assert "none of the 2 checkpoints can be read; delete the folder" in errors
    assert not project.artifact().exists()


def test_a_second_writer_is_refused(undisturbed: Project, disturbed: Project) -> None:
    first = disturbed.start(seconds=1e9)
    wait_for_progress(disturbed, first)
    code, errors = disturbed.finish(disturbed.start())
    assert code == TEMPORARY
    assert f"another process is working on this run (process {first.pid})" in errors
    assert disturbed.finish(first)[0] == 0
    assert_same(disturbed, undisturbed, attempts=1)


def test_a_full_disk_is_an_error_that_names_the_file(undisturbed: Project, tmp_path: Path) -> None:
    project = Project(tmp_path / "project", undisturbed.learner)
    small = project.folder / "results"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a tmpfs here")
    try:
        code, errors = project.finish(project.start())
        assert code == 1
        assert "No space left on device; make room, then run the same command again" in errors
        assert "fpc: results/.runs/" in errors
        assert not project.artifact().exists()
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        project.run()
        assert project.manifest().subjects == undisturbed.manifest().subjects
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_twice_the_same_bits(undisturbed: Project, disturbed: Project) -> None:
    disturbed.run()
    assert_same(disturbed, undisturbed, attempts=1)
