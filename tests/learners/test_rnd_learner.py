"""APPO with random network distillation through Sample Factory, on real episodes in Montezuma's rooms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from fpc.learners.appo.job import Job
from fpc.learners.interface import Trained
from tests.domains.montezuma.known_states import STATES, options
from tests.learners.appo_job import APPO, job
from tests.learners.test_appo import kill_after, run, same

RND = {
    "channels": [4, 4, 4],
    "hidden": 16,
    "outputs": 8,
    "extrinsic_coefficient": 2.0,
    "intrinsic_coefficient": 1.0,
    "normalize_advantages": False,
    "intrinsic_gamma": 0.99,
    "update_proportion": 0.5,
    "observation_clip": 5.0,
    "warm_up_steps": 64,
}


def rnd_job(folder: Path, **changes: Any) -> Job:
    environment = options(room_max_steps=20).model_dump(mode="json")
    values = {
        "environment": "fpc.domains.montezuma.factories:environment_of",
        "environment_arguments": {"environment": environment, "task": "room", "starts": str(STATES)},
        "network": "fpc.domains.montezuma.factories:network_of",
        "network_arguments": {
            "network": {"channels": [4, 4, 4], "hidden": [16, 16]},
            "environment": environment,
        },
        "appo": {**APPO, "train": "all", "epochs": 2, "minibatches": 2, "batch_size": 16, "clip_value": 1e6},
        "rnd": RND,
        "trainable": "all",
        "steps": 1280,
    }
    return job(folder, **(values | changes))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return run(rnd_job(tmp_path_factory.mktemp("undisturbed")))


def test_a_kill_changes_nothing(tmp_path: Path, undisturbed: Trained) -> None:
    work = rnd_job(tmp_path)
    assert kill_after(work, 300) < 1280
    resumed = run(work)
    assert same(resumed.policy, undisturbed.policy)
    pd.testing.assert_frame_equal(resumed.table, undisturbed.table)


def test_everything_learns_and_is_reported(tmp_path: Path, undisturbed: Trained) -> None:
    first = rnd_job(tmp_path).make_network().state_dict()
    assert all(not torch.equal(first[name], value) for name, value in undisturbed.policy.items())
    metrics = undisturbed.table
    assert {"return", "score", "success", "rooms", "room_7", "intrinsic_reward"} <= set(metrics["metric"])
    assert (metrics.loc[metrics["metric"] == "intrinsic_reward", "value"] > 0).all()
    assert metrics.loc[metrics["metric"] == "length", "value"].max() <= 20


def test_another_seed_is_another_run(tmp_path: Path, undisturbed: Trained) -> None:
    assert not same(run(rnd_job(tmp_path, seed=4)).policy, undisturbed.policy)
