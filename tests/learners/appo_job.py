"""A small job on real NetHack games, and a program that trains it in a process that can be killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fpc.core.checkpoint import load_checkpoint
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.recordings import index_recordings
from fpc.domains.nethack.sources import GAMES_FILE, write_game_list
from fpc.learners.appo.job import Job
from fpc.learners.interface import VISITED
from tests.domains.nethack.recorded_games import ALL_GAMES, record

ROOT = Path(__file__).resolve().parents[2]
NETWORK = {
    "message_hidden": 8,
    "status_channels": [4, 4],
    "status_hidden": 8,
    "character_embedding": 4,
    "colour_embedding": 2,
    "screen_channels": [4, 4],
    "screen_hidden": 16,
    "crop_size": 5,
    "crop_channels": [4],
    "hidden": 16,
}
APPO = {
    "asynchronous": False,
    "workers": 1,
    "environments_per_worker": 4,
    "splits": 1,
    "rollout": 8,
    "batch_size": 32,
    "epochs": 1,
    "learning_rate": 1e-3,
    "learning_rate_schedule": "linear",
    "scratch_learning_rate_schedule": "constant",
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-7,
    "gamma": 0.99,
    "gae_lambda": 0.95,
    "clip_ratio": 0.1,
    "clip_value": 1.0,
    "value_coefficient": 1.0,
    "entropy_coefficient": 0.001,
    "max_grad_norm": 4.0,
    "reward_scale": 1.0,
    "reward_clip": 10.0,
    "normalize_returns": True,
    "max_policy_lag": 1000,
    "train": "core",
    "batch_norm": "frozen",
    "warm_up_steps": 0,
}
ENVIRONMENT = {"character": "mon-hum-neu-mal", "max_steps": 60, "no_progress_limit": 30}


def streamed_games(folder: Path) -> dict[str, Any]:
    """Record three games and return the fields of a job whose expert data are read from them."""
    record(folder / "games" / "monks", [1, 2, 3], steps=50)
    recordings = index_recordings(folder / "games", folder / "games.db", ALL_GAMES)
    write_game_list(folder / GAMES_FILE, recordings)
    return {
        "expert": "fpc.domains.nethack.expert_sequences:open_sequences",
        "expert_arguments": {"folder": str(folder), "pi_star": str(folder / "policy.safetensors")},
    }


def job(folder: Path, *, appo: dict[str, Any] | None = None, **changes: Any) -> Job:
    """The job, with its files in ``folder``."""
    values: dict[str, Any] = {
        "environment": "fpc.domains.nethack.factories:environment_of",
        "environment_arguments": {"environment": ENVIRONMENT, "far_level": 1},  # games start there
        "network": "fpc.domains.nethack.factories:network_of",
        "network_arguments": {"network": NETWORK},
        "appo": {**APPO, **(appo or {})},
        "seed": 3,
        "steps": 640,
        "trainable": "core",
        "state": str(folder / "state"),
        "checkpoint_seconds": 0.0,
    }
    return Job(**{**values, **changes})


def devices_of(work: Job) -> list[str]:
    """Names of the devices that a job's learner has used, as its checkpoint has them."""
    checkpoint = load_checkpoint(work.checkpoints)
    return [] if checkpoint is None else checkpoint.state["devices"]


class _VisitingEarly(NetHackEnvironment):
    """Says that it is on level 1 in its first steps, of all games together, only."""

    def __init__(self, visits: int, stream: Sequence[int]) -> None:
        self.left = visits
        super().__init__(EnvironmentOptions.model_validate(ENVIRONMENT), stream=stream)

    def step(self, action: int) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        self.left -= 1
        visited = {VISITED: "level_1"} if self.left >= 0 else {}
        return observation, reward, terminated, truncated, info | visited


def visiting_early(visits: int, stream: Sequence[int]) -> NetHackEnvironment:
    """An environment that is on level 1 in its first ``visits`` steps."""
    return _VisitingEarly(visits, stream)


def start(work: Job) -> subprocess.Popen[bytes]:
    """Train in another process."""
    program = [sys.executable, "-m", "tests.learners.appo_job", json.dumps(work.values())]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(program, cwd=ROOT, env=environment, stdout=quiet, stderr=quiet)


if __name__ == "__main__":
    from contextlib import nullcontext

    import torch

    from fpc.learners.appo.train import train_job
    from tests.pretended_cuda import pretended_cuda

    given = Job.of(json.loads(sys.argv[1]))
    pretended = given.device == "cuda" and not torch.cuda.is_available()
    with pretended_cuda() if pretended else nullcontext():
        train_job(given, lambda step, total, **measures: None)
