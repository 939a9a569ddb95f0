"""Soft Actor-Critic on a pretended GPU: every method, resumed once, with the CPU's weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fpc.learners.interface import Trained
from fpc.retention.interface import RetentionMethod
from fpc.retention.registry import load_method
from tests.learners.sac_runs import OPTIONS, expert_data, run, weights
from tests.learners.test_appo import same
from tests.pretended_cuda import NAME, is_on_gpu, pretended_cuda

STEPS = 360
METHODS: dict[str, dict[str, Any]] = {
    "vanilla": {},
    "scratch": {},
    "behavioral_cloning": {"coefficient": 0.1, "batch_size": 16},
    "kickstarting": {"coefficient": 0.1},
    "ewc": {"coefficient": 1.0, "fisher_samples": 16, "fisher_floor": 1e-5, "squashed_mean": True},
    "episodic_memory": {"memory_size": 20, "share": 0.1},
}


def method_of(name: str) -> RetentionMethod:
    method = load_method(name)
    known = method.Options.model_fields
    return method(method.Options.model_validate({k: v for k, v in METHODS[name].items() if k in known}))


def trained(folder: Path, name: str, device: str, pi_star: Trained, noted: list[str]) -> Trained:
    """A training of two attempts."""
    start = {} if name == "scratch" else {"initial_policy": pi_star.policy, "initial_critic": pi_star.critic}
    for steps in (STEPS // 2, STEPS):
        found = run(
            folder,
            steps,
            method=method_of(name),
            expert=expert_data().on(device),
            teacher=pi_star.policy,
            device=device,
            on_device=noted.append,
            options=OPTIONS.model_copy(
                update={"update_after": 50, "updates_per_round": 5, "reset_heads": True}
            ),
            **start,
        )
    return found


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains(tmp_path: Path, name: str) -> None:
    pi_star, noted = run(tmp_path / "pi_star", 60), list[str]()
    with pretended_cuda():
        on_gpu = trained(tmp_path / "gpu", name, "cuda", pi_star, noted)
        assert {is_on_gpu(value) for value in on_gpu.policy.values()} == {True}
        found = {key: value.cpu() for key, value in weights(on_gpu).items()}
    assert noted == [NAME, NAME]
    assert same(found, weights(trained(tmp_path / "cpu", name, "cpu", pi_star, noted)))
    assert noted[2:] == ["cpu", "cpu"]
