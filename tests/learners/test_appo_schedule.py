"""APPO's schedules and weight decay, by hand and against Sample Factory's own code."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from sample_factory.algo.learning.learner import LinearDecayScheduler

from fpc.core.checkpoint import load_checkpoint
from fpc.core.files import read_tensors, write_tensors
from fpc.core.milestones import milestone_path
from fpc.learners.appo.options import APPOOptions
from fpc.learners.appo.schedule import LinearSchedule, schedule_updates
from fpc.learners.appo.train import train_job
from tests.learners.appo_job import APPO, job


def options(**changes: Any) -> APPOOptions:
    paper = {"asynchronous": True, "batch_size": 4096, "rollout": 32, "learning_rate": 1e-4}
    return APPOOptions.model_validate({**APPO, **paper, **changes})


def rate_after(updates: int, appo: APPOOptions, steps: int) -> float:
    return LinearSchedule(appo.learning_rate, schedule_updates(appo, steps), lambda: updates).update(
        0.0, None
    )


@pytest.mark.parametrize(
    ("horizon", "rate"),
    [
        # 475M of 500M steps are trained on: 115,966 updates of 4,096 steps. Warm-up counts in the horizon:
        (None, 1e-4 * (1 - 115_966 / 122_070)),  # 5.0e-6, one twentieth; 122,070 = 500M // 4,096
        (2_000_000_000, 1e-4 * (1 - 115_966 / 488_281)),  # 7.6e-5: cloning's rate hardly falls
    ],
)
def test_the_learning_rate_at_the_end_of_the_papers_runs(horizon: int | None, rate: float) -> None:
    appo = options(warm_up_steps=25_000_000, learning_rate_horizon=horizon)
    assert rate_after(115_966, appo, 500_000_000) == pytest.approx(rate)


@pytest.mark.parametrize("changes", [{}, {"epochs": 4, "minibatches": 4}, {"learning_rate_horizon": 400_000}])
def test_the_schedule_is_sample_factorys(changes: dict[str, Any]) -> None:
    appo = options(warm_up_steps=40_960, **changes)
    cfg = SimpleNamespace(
        train_for_env_steps=appo.learning_rate_horizon or 100_000,
        batch_size=appo.batch_size,
        num_epochs=appo.epochs,
        learning_rate=appo.learning_rate,
    )
    theirs = LinearDecayScheduler(cfg)
    for update in range(1, 100):
        assert rate_after(update, appo, 100_000) == pytest.approx(theirs.update(0.0, []), abs=1e-12)


def trained(folder: Path, **changes: Any) -> Any:
    work = job(folder, **changes)
    train_job(work, lambda step, total, **measures: None)
    return work


@pytest.fixture(scope="module")
def pi_star(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pi_star")
    write_tensors(folder / "policy.safetensors", job(folder).make_network().state_dict())
    return folder / "policy.safetensors"


def test_nothing_changes_during_the_warm_up(tmp_path: Path, pi_star: Path) -> None:
    """The released code prepares no batch while it only samples, so statistics stand still as well."""
    moving = {"batch_norm": "moving", "warm_up_steps": 96}
    work = trained(tmp_path, steps=96, initial=str(pi_star), appo=moving, milestones=(96,))
    checkpoint = load_checkpoint(work.checkpoints)
    assert checkpoint is not None
    assert checkpoint.state["train_step"] == 0
    statistics = {
        name.rpartition(".")[2]: value.item()
        for name, value in checkpoint.tensors.items()
        if name.startswith("model.returns_normalizer.")
    }
    assert statistics == {"running_mean": 0.0, "running_var": 1.0, "count": 1.0}
    before, after = read_tensors(pi_star), read_tensors(milestone_path(Path(work.state), 96))
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_weight_decay_shrinks_what_has_no_other_gradient(tmp_path: Path, pi_star: Path) -> None:
    """With no other gradient Adam's first step with weight decay is learning_rate * sign(weight)."""
    still = {
        "learning_rate": 1e-3, "weight_decay": 0.5, "value_coefficient": 0.0, "entropy_coefficient": 0.0,
        "max_grad_norm": 0.0, "reward_scale": 1e-30, "adam_epsilon": 1e-12,
    }  # fmt: skip
    work = trained(tmp_path, steps=32, initial=str(pi_star), trainable="critic", appo=still, milestones=(32,))
    before, after = read_tensors(pi_star), read_tensors(milestone_path(Path(work.state), 32))
    weight = before["baseline.weight"]
    torch.testing.assert_close(after["baseline.weight"], weight - 1e-3 * weight.sign())
    assert torch.equal(after["policy.weight"], before["policy.weight"])  # frozen: not decayed
