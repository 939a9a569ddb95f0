"""Whole runs of Soft Actor-Critic on a tiny task: it learns, and a kill leaves no trace."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch

from fpc.core.checkpoint import load_checkpoint
from fpc.learners.interface import Weights
from fpc.learners.sac.networks import Actor

from . import sac_runs
from .sac_runs import (
    OPTIONS,
    STAGES,
    Recorder,
    ThereAndBack,
    assert_equal_to_the_bit,
    run,
    run_with_memory,
)


def test_it_learns_both_stages(tmp_path: Path) -> None:
    reported: list[dict[str, float]] = []
    trained = run(tmp_path, 4_000, report=lambda step, total, **measures: reported.append(measures))
    episodes = trained.table[trained.table["metric"] == "success"]["value"]
    assert episodes.iloc[:5].mean() < 0.5
    assert episodes.iloc[-20:].mean() > 0.9
    assert trained.finished
    assert reported[0] == {}  # where the run begins
    assert {"return", "length", "success", "stages_solved"} == set(reported[1])
    recorded = set(trained.table["metric"])
    assert {"critic_loss", "actor_loss", "temperature_0", "temperature_1", "updates"} <= recorded
    assert dict(trained.table.dtypes.astype(str)) == {
        "step": "int64",
        "seed": "int64",
        "metric": "object",
        "value": "float64",
    }


def test_a_killed_run_continues_to_the_same_bits(tmp_path: Path) -> None:
    whole = run_with_memory(tmp_path / "whole")
    killed = tmp_path / "killed"
    for die_at in (700, 450):  # in the middle of an episode and of the updates
        done = subprocess.run(
            [sys.executable, sac_runs.__file__, str(killed), str(die_at)], check=False, timeout=120
        )
        assert done.returncode == -signal.SIGKILL
    checkpoint = load_checkpoint(killed)
    assert checkpoint is not None
    assert 700 < checkpoint.step < 700 + 450
    milestones: list[int] = []
    continued = run_with_memory(
        killed, milestones=(0, 600, 1_300), on_milestone=lambda step, policy, critic: milestones.append(step)
    )
    assert milestones == [1_300]
    assert_equal_to_the_bit(whole, continued)


def test_a_finished_run_gives_the_same_again_without_a_step(tmp_path: Path) -> None:
    first = run(tmp_path, 700)
    environment = ThereAndBack()
    again = run(tmp_path, 700, environment)
    assert environment.steps == 0
    assert_equal_to_the_bit(first, again)


def test_stopping_leaves_a_checkpoint_and_says_so(tmp_path: Path) -> None:
    episodes = iter([False, False, True])
    stopped = run(tmp_path / "stopped", 900, stop=lambda: next(episodes), checkpoint_seconds=1e9)
    assert not stopped.finished
    continued = run(tmp_path / "stopped", 900)
    assert continued.finished
    assert_equal_to_the_bit(run(tmp_path / "whole", 900), continued)


def test_milestones_come_at_exact_steps_with_the_weights_of_then(tmp_path: Path) -> None:
    seen: dict[int, torch.Tensor] = {}

    def keep(step: int, policy: Weights, critic: Weights) -> None:
        seen[step] = policy["head_weight"].clone()

    trained = run(tmp_path, 400, milestones=(0, 199, 250, 400), on_milestone=keep)
    assert list(seen) == [0, 199, 250, 400]
    assert torch.equal(seen[0], seen[199])  # updates begin at step 200
    assert not torch.equal(seen[199], seen[250])
    assert torch.equal(seen[400], trained.policy["head_weight"])


def test_every_episode_has_a_seed_of_its_own(tmp_path: Path) -> None:
    environment = ThereAndBack()
    run(tmp_path, 300, environment)
    word = int.from_bytes(hashlib.sha256(b"finetune").digest()[:4], "little")
    drawn = [
        np.random.SeedSequence([3, 0, word, 0, n, 0, 3]).generate_state(1)[0]
        for n in range(len(environment.seeds))
    ]
    assert environment.seeds == drawn
    assert len(set(drawn)) == len(drawn) > 5


def test_the_first_visit_of_each_stage_is_logged_once_with_its_step(tmp_path: Path) -> None:
    environment = ThereAndBack()
    table = run(tmp_path, 600, environment).table
    assert len(environment.entered) == STAGES
    rows = table[table["metric"].str.startswith("first_visit_")]
    assert list(rows["step"]) == list(rows["value"])
    visits = dict(zip(rows["metric"], rows["step"], strict=True))
    assert visits == {f"first_visit_stage_{stage}": step for stage, step in environment.entered.items()}


def test_phases_share_no_episode_and_methods_share_all(tmp_path: Path) -> None:
    seeds = {}
    for name, more in {
        "pretrain": {"phase": "pretrain"},
        "finetune": {"phase": "finetune"},
        "with a method": {"phase": "finetune", "method": Recorder(None)},
    }.items():
        environment = ThereAndBack()
        run(tmp_path / name, 300, environment, **more)
        seeds[name] = environment.seeds
    assert seeds["with a method"] == seeds["finetune"]
    assert not set(seeds["pretrain"]) & set(seeds["finetune"])


def test_methods_see_every_update_and_a_frozen_teacher(tmp_path: Path) -> None:
    teacher = Actor(2 + STAGES, 1, STAGES, OPTIONS, torch.Generator().manual_seed(1))
    method = Recorder(None)
    with_method = run(tmp_path / "with", 300, method=method, teacher=teacher.state_dict())
    assert method.updates == [(number, True) for number in range(3 * OPTIONS.updates_per_round)]
    assert isinstance(method.context.teacher, Actor)
    assert not any(value.requires_grad for value in method.context.teacher.parameters())
    assert_equal_to_the_bit(with_method, run(tmp_path / "without", 300))


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"action_space": gymnasium.spaces.Box(-2, 2, (1,))}, "RescaleAction"),
        ({"observation_space": gymnasium.spaces.Box(-1, 1, (2,))}, "cannot end in 2 stages"),
        ({"observation_space": gymnasium.spaces.Discrete(3)}, "one dimension"),
    ],
)
def test_environments_that_break_the_contract_are_refused(
    tmp_path: Path, space: dict[str, gymnasium.Space[Any]], message: str
) -> None:
    environment = ThereAndBack()
    vars(environment).update(space)
    with pytest.raises(ValueError, match=message):
        run(tmp_path, 10, environment)
