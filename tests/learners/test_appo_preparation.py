"""EWC's Fisher information on NetHack's games: progress, and a kill while it is estimated."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from fpc.core.checkpoint import load_checkpoint
from fpc.core.files import write_tensors
from fpc.learners.appo.train import train_job
from tests.learners.appo_job import job, start, streamed_games

BATCHES = 60


@pytest.fixture
def work(tmp_path: Path) -> dict[str, Any]:
    """Fields of a job that estimates the Fisher information from recorded games."""
    write_tensors(tmp_path / "policy.safetensors", job(tmp_path).make_network().state_dict())
    options = {"coefficient": 1e3, "fisher_samples": 16, "fisher_batches": BATCHES, "fisher_floor": 0.0}
    return streamed_games(tmp_path) | {
        "method": "ewc",
        "options": options,
        "initial": str(tmp_path / "policy.safetensors"),
        "steps": 96,
    }


def test_a_kill_while_the_fisher_information_is_estimated_changes_nothing(
    tmp_path: Path, work: dict[str, Any]
) -> None:
    prepared: list[float] = []

    def report(step: int, total: int, **measures: float) -> None:
        if "prepared" in measures:
            assert step == 0
            prepared.append(measures["prepared"])

    whole = job(tmp_path / "whole", **work)
    undisturbed = train_job(whole, report)
    assert prepared == [done / BATCHES for done in range(BATCHES + 1)]
    assert not (Path(whole.state) / "preparation").exists()

    killed = job(tmp_path / "killed", **work)
    sums = Path(killed.state) / "preparation"
    process = start(killed)
    deadline = time.monotonic() + 120
    while len(list(sums.glob("checkpoint_*.json"))) < 2:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    reached = max(int(path.stem.split("_")[1]) for path in sums.glob("checkpoint_*.json"))
    assert 0 < reached < BATCHES
    assert load_checkpoint(killed.checkpoints) is None
    prepared.clear()
    resumed = train_job(killed, report)
    assert prepared[0] == pytest.approx(reached / BATCHES)
    first, second = (load_checkpoint(folder.checkpoints) for folder in (whole, killed))
    assert first is not None
    assert second is not None
    assert torch.equal(first.tensors["method.fisher"], second.tensors["method.fisher"])
    assert float(first.tensors["method.fisher"].max()) > 0
    assert all(torch.equal(value, undisturbed.policy[name]) for name, value in resumed.policy.items())
    pd.testing.assert_frame_equal(resumed.table, undisturbed.table)


@pytest.mark.slow
def test_a_learner_in_another_process_shows_its_progress(tmp_path: Path, work: dict[str, Any]) -> None:
    prepared: list[float] = []

    def report(step: int, total: int, **measures: float) -> None:
        prepared.extend([measures["prepared"]] if "prepared" in measures else [])

    options = work["options"] | {"fisher_batches": 4000}
    appo = {"asynchronous": True, "workers": 1, "splits": 2}
    train_job(job(tmp_path, **work | {"options": options}, appo=appo, checkpoint_seconds=1e6), report)
    assert prepared == sorted(prepared)
    assert any(0 < part < 1 for part in prepared)
