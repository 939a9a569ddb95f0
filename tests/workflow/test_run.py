"""A run's signs of life, and its whole course where the file system has no locks."""

from __future__ import annotations

import errno
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fpc.core.files import read_json, write_tensors
from fpc.lineage.artifact import Row
from fpc.workflow.loader import load
from fpc.workflow.publishing import Diverged
from fpc.workflow.run import RUNS, Run, open_run
from fpc.workflow.run_table import section_of

ROW = Row("tiny", "pretrain", "two_state_mdp", seeds=(0,))


def new_run(folder: Path) -> Run:
    return Run("tiny", "two_state_mdp", "pretrain", None, (0,), folder / "state", folder / "output")


def test_signs_of_life_are_as_frequent_as_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FPC_HEARTBEAT_SECONDS", "3600")
    run = new_run(tmp_path)
    steps = []
    for step in (1, 2, 3, 10):
        run.report(step, 10)
        steps.append(read_json(tmp_path / "progress.json")["step"])
    assert steps == [1, 1, 1, 10]  # the first and the last
    monkeypatch.setenv("FPC_HEARTBEAT_SECONDS", "0.000001")
    run = new_run(tmp_path)
    for step in (1, 2, 3):
        run.report(step, 10)
        assert read_json(tmp_path / "progress.json")["step"] == step


def test_a_sign_of_life_does_not_wait_for_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr("os.fsync", synced.append)
    new_run(tmp_path).report(1, 10)
    assert read_json(tmp_path / "progress.json")["step"] == 1
    assert synced == []


@pytest.mark.usefixtures("project")
def test_a_run_without_flock_is_published_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(descriptor: int, operation: int) -> None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("fcntl.flock", flock)
    with open_run(ROW, section_of(load("tiny"), ROW), []) as run:
        (run.output / "file.txt").write_text("made", encoding="utf-8")
        assert (run.state.parent / "lock.lease").exists()
    assert (ROW.folder / "file.txt").read_text(encoding="utf-8") == "made"
    assert ROW.manifest.exists()
    assert list(RUNS.iterdir()) == []


def publish(*wrong: tuple[int, float]) -> None:
    """A run with three milestones, of which one number is wrong in some: step and value."""
    with open_run(ROW, section_of(load("tiny"), ROW), []) as run:
        for step in (0, 500, 1000):
            weights = torch.ones(2, 3)
            weights[0, 2] = dict(wrong).get(step, 1.0)
            tensors = {"policy.weight": weights, "steps": torch.tensor([step])}
            write_tensors(run.output / "milestones" / f"step_{step}.safetensors", tensors)


@pytest.mark.usefixtures("project")
def test_weights_that_are_not_finite_are_not_published() -> None:
    first = r"1 of 6 numbers of policy\.weight in step_500\.safetensors are not finite"
    with pytest.raises(Diverged, match=first):
        publish((1000, math.inf), (500, math.nan))
    assert not ROW.folder.exists()
    assert list(RUNS.iterdir()) == []
    publish()
    assert ROW.manifest.exists()


@pytest.mark.usefixtures("project")
def test_a_report_of_a_number_that_is_not_finite_does_not_end_the_run() -> None:
    with open_run(ROW, section_of(load("tiny"), ROW), []) as run:
        (run.output / "file.txt").write_text("made", encoding="utf-8")
        run.report(10, 10, loss=math.nan, entropy=0.5, rate=math.inf)
        progress = read_json(run.state.parent / "progress.json")
        assert progress["metrics"] == {"entropy": 0.5}


def test_the_profile_sets_how_often_runs_save_and_the_environment_wins(project: Path) -> None:
    """By a stand-in for fpc that prints what a job is told."""
    place = project / "bin"
    place.mkdir()
    told = project / "told"
    words = "$FPC_CHECKPOINT_SECONDS $FPC_HEARTBEAT_SECONDS"
    (place / "fpc").write_text(f"#!/bin/sh\necho {words} >> {told}\nexit 1\n", encoding="utf-8")
    (place / "fpc").chmod(0o755)
    unset = {name: value for name, value in os.environ.items() if not name.startswith("FPC_")}
    settings = unset | {"PATH": f"{place}:{os.environ['PATH']}", "FPC_IMAGE": str(project)}
    command = [Path(sys.executable).parent / "snakemake", "--cores", "1"]
    profile = ["--configfile", "workflow/profiles/slurm/defaults.yaml"]
    target = ["--config", "scale=tiny", "--", "results/tiny/two_state_mdp/pretrain/seed_0/manifest.json"]
    for extra, own in ((profile, {}), (profile, {"FPC_CHECKPOINT_SECONDS": "5"}), ([], {})):
        subprocess.run(
            [*command, *extra, *target], cwd=project, env=settings | own, capture_output=True, check=False
        )
    assert told.read_text(encoding="utf-8").splitlines() == ["900 30", "5 30", ""]
    for given, shown in (("heartbeat_seconds=often", "'often'"), ("checkpoint_seconds=True", "True")):
        wrong = subprocess.run(
            [*command, "--config", "scale=tiny", given],
            cwd=project,
            env=settings,
            capture_output=True,
            text=True,
            check=False,
        )
        assert wrong.returncode == 2
        name = given.partition("=")[0]
        assert f"fpc: --config {name} must be a positive number, not {shown}" in wrong.stderr
