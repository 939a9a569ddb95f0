"""Sequences and experiments small enough for quick tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fpc.domains.robotic_sequence.config import EnvironmentOptions, RoboticSequenceExperiment
from fpc.workflow.run import Run

STAGES = ["reach", "drawer-close", {"name": "push-wall", "shift": 0.5}]
SAC = {
    "hidden_sizes": [16, 16],
    "batch_size": 16,
    "buffer_size": 500,
    "random_steps": 20,
    "update_after": 20,
    "update_every": 10,
    "updates_per_round": 2,
}


def environment_options(**changes: Any) -> EnvironmentOptions:
    """Three stages, the last two pre-trained."""
    values = {
        "stages": STAGES,
        "pretrained_stages": [1, 2],
        "max_steps": 200,
        "success_factor": 1.5,
        "reward_scale": 0.1,
    }
    return EnvironmentOptions.model_validate(values | changes)


@pytest.fixture
def tiny_experiment() -> RoboticSequenceExperiment:
    """All four phases in a few seconds; nothing is learned."""
    return RoboticSequenceExperiment.model_validate(
        {
            "domain": "robotic_sequence",
            "seeds": 1,
            "environment": environment_options(max_steps=12).model_dump(),
            "pretrain": {
                "recipe": "clone",
                "sac": SAC,
                "steps": 30,
                "stop_success": 1.0,
                "probe_every": 30,
                "probe_episodes": 1,
                "accept_below": 0.0,  # nothing is learned here
                "least_value_correlation": None,
                "least_sampled_success": None,
                "continued_updates": 0,
                "clone": {
                    "transitions": 40,
                    "action_noise": 0.2,
                    "updates": 5,
                    "batch_size": 8,
                    "learning_rate": 1e-3,
                    "log_standard_deviation": -1.5,
                    "critic_updates": 4,
                    "critic_transitions": 20,
                },
            },
            "collect": {"states": 61, "start_states": 2, "analysis_states": 10},
            "finetune": {"sac": SAC, "steps": 60, "evaluate_every": 25, "keep_critics": True},
            "evaluate": {"episodes": 1, "pi_star_episodes": 2, "stochastic": False, "analysis": True},
        }
    )


def make_run(folder: Path, phase: str, method: str | None = None) -> Run:
    """A run of ``phase`` whose parents are the other phases' outputs in the same folder."""
    phases = ("pretrain", "collect", "finetune")
    parents = {name: folder / name for name in phases if (folder / name).exists() and name != phase}
    run = Run(
        "tiny", "robotic_sequence", phase, method, (0,), folder / f"{phase}_state", folder / phase, parents
    )
    run.state.mkdir(parents=True, exist_ok=True)
    run.output.mkdir(parents=True, exist_ok=True)
    return run
