"""Whole runs of Soft Actor-Critic on a tiny task.

Run as a script, this file trains and kills itself with SIGKILL at a given environment step.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch

from fpc.learners.interface import VISITED, Trained
from fpc.learners.sac import SAC, SACSpecification
from fpc.learners.sac.options import SACOptions
from fpc.retention.behavioral_cloning import BehavioralCloning
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import RetentionBatch, RetentionContext, RetentionMethod

STAGES, LIMIT = 2, 30
OPTIONS = SACOptions(
    hidden_sizes=(32, 32),
    batch_size=64,
    buffer_size=1_000,
    random_steps=300,
    update_after=200,
    update_every=50,
    updates_per_round=40,
    target_entropy=-1.0,
    initial_temperature=0.1,
    gamma=0.95,
)


class ThereAndBack(gymnasium.Env[np.ndarray, np.ndarray]):
    """A point on a line: first beyond 0.5 (stage 0), then beyond -0.5 (stage 1)."""

    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (2 + STAGES,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, die_at: int | None = None) -> None:
        self.die_at, self.steps = die_at, 0
        self.seeds: list[int] = []
        self.entered = {0: 0}  # stage -> step at which it was first entered

    def _observation(self) -> np.ndarray:
        return np.array([self.place, self.time / LIMIT, self.stage == 0, self.stage != 0], np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        super().reset(seed=seed)
        self.seeds.append(int(seed or 0))
        self.place, self.time, self.stage = float(self.np_random.uniform(-0.2, 0.2)), 0, 0
        return self._observation(), {VISITED: f"stage_{self.stage}"}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        if self.steps == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        direction = 1 if self.stage == 0 else -1
        moved = 0.2 * float(action[0])
        self.place, self.time = float(np.clip(self.place + moved, -1, 1)), self.time + 1
        solved = direction * self.place > 0.5
        self.stage += solved
        over = self.stage == STAGES or self.time == LIMIT
        reward = 5 * direction * moved + 5 * solved
        info = {"value_terminal": bool(solved or over), "stages_solved": self.stage}
        if self.stage < STAGES:
            info[VISITED] = f"stage_{self.stage}"
            self.entered.setdefault(self.stage, self.steps)
        info["success"] = self.stage == STAGES
        if solved and not over:  # the value function sees the stage that ended
            return self._observation(), reward, False, False, info
        return self._observation(), reward, over, False, info


class CloningWithMemory(BehavioralCloning):
    """Has all that a resume must restore: a generator of its own draws and protected transitions."""

    def prepare(self, context: RetentionContext) -> None:
        super().prepare(context)
        if context.replay_buffer is not None and context.expert is not None:
            transitions = {name: value[:50] for name, value in context.expert.transitions().items()}
            context.replay_buffer.protect(transitions, 0.125)

    def load_state_dict(self, state: Any, context: RetentionContext) -> None:
        super().prepare(context)
        self.generator.set_state(state["generator"])


def expert_data() -> ExpertDataset:
    rng = torch.Generator().manual_seed(9)
    observations = torch.randn(100, 2 + STAGES, generator=rng)
    observations[:, -STAGES:] = torch.eye(STAGES)[torch.arange(100) % STAGES]
    return ExpertDataset(
        {
            "observations": observations,
            "outputs": torch.tensor([0.5, -1.0]).repeat(100, 1),
            "action": torch.full((100, 1), 0.5),
            "reward": torch.zeros(100),
            "next_observations": observations.flip(0),
            "terminated": torch.zeros(100),
        }
    )


def specification_of(
    state: Path, steps: int, environment: ThereAndBack | None = None, **changes: Any
) -> SACSpecification:
    arguments: dict[str, Any] = {
        "stages": STAGES,
        "steps": steps,
        "seeds": (3,),
        "state": state,
        "report": lambda step, total, **measures: None,
        "checkpoint_seconds": 0.0,
    }
    arguments |= {"environment": environment or ThereAndBack(), "options": OPTIONS}
    return SACSpecification(**{**arguments, **changes})


def run(state: Path, steps: int, environment: ThereAndBack | None = None, **changes: Any) -> Trained:
    return SAC().train(specification_of(state, steps, environment, **changes))


def run_with_memory(state: Path, die_at: int | None = None, **changes: Any) -> Trained:
    method = CloningWithMemory(BehavioralCloning.Options(coefficient=0.01, batch_size=16))
    return run(state, 1_500, ThereAndBack(die_at), method=method, expert=expert_data(), **changes)


def weights(trained: Trained) -> dict[str, torch.Tensor]:
    found = {f"actor.{name}": value for name, value in trained.policy.items()}
    return found | {f"critics.{name}": value for name, value in trained.critic.items()}


def assert_equal_to_the_bit(one: Trained, other: Trained) -> None:
    ours, theirs = weights(one), weights(other)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert one.table.equals(other.table)


class Recorder(RetentionMethod):
    """Notes what it is given and adds nothing."""

    def prepare(self, context: RetentionContext) -> None:
        self.context, self.updates = context, []

    def penalty(self, batch: RetentionBatch) -> None:
        close = torch.allclose(batch.outputs, batch.student.outputs(batch.observations), atol=1e-5)
        self.updates.append((batch.update, close))


if __name__ == "__main__":
    run_with_memory(Path(sys.argv[1]), int(sys.argv[2]))
