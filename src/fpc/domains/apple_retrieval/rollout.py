"""Rollouts of K policies, each in its own environment."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fpc.domains.apple_retrieval.config import EnvironmentSection
from fpc.domains.apple_retrieval.environment import Task, VectorAppleRetrieval
from fpc.domains.apple_retrieval.policy import ApplePolicy
from fpc.learners.reinforce.specification import Episodes


@dataclass(frozen=True)
class Grid:
    """The K runs of an experiment: every condition with every seed, seeds varying fastest."""

    environment: EnvironmentSection
    seeds: tuple[int, ...]

    @cached_property
    def runs(self) -> list[tuple[str, int]]:
        """(condition name, seed) of each run."""
        return [(condition.name, seed) for condition in self.environment.conditions for seed in self.seeds]

    @cached_property
    def distances(self) -> NDArray[np.int64]:
        """M of each run, ``[K]``."""
        return np.repeat([condition.distance for condition in self.environment.conditions], len(self.seeds))

    @cached_property
    def observations(self) -> Tensor:
        """The two observations of each run, phase 1 first, float64 ``[K, 2, 1]``."""
        signals = [condition.signal for condition in self.environment.conditions]
        signal = torch.tensor(signals, dtype=torch.float64).repeat_interleave(len(self.seeds))
        return torch.stack([-signal, signal], dim=1).unsqueeze(-1)

    def uniform_shape(self, episodes: int) -> tuple[int, int]:
        """Shape (T, B) of the random numbers that a run needs for ``B`` episodes."""
        return self.environment.max_steps, episodes

    def rollout(self, policy: ApplePolicy, uniforms: NDArray[np.float64], task: Task) -> Episodes:
        """Play with uniform numbers ``[K, T, B]``: the policy moves right where one is below P(right)."""
        with torch.no_grad():
            right = policy.outputs(self.observations).sigmoid().squeeze(-1).numpy()  # [K, 2]
        environment = VectorAppleRetrieval(self.distances, uniforms.shape[-1], task)
        numbers = np.ascontiguousarray(np.moveaxis(uniforms, 1, 0))  # [T, K, B]
        steps = []
        for before, after in zip(numbers < right[:, :1], numbers < right[:, 1:], strict=True):
            carrying = environment.carrying.copy()
            action = np.where(carrying, after, before)
            steps.append((carrying, action, *environment.step(action)))
            if not environment.active.any():
                break
        carrying, action, reward, active = (np.stack(arrays) for arrays in zip(*steps, strict=True))
        return Episodes(
            observation=carrying,
            action=action,
            reward=reward.astype(np.float64),
            active=active,
            outcome={
                "success": environment.success.astype(np.float64),
                "return": reward.sum(axis=0, dtype=np.float64),  # undiscounted
                "reached_phase_2": environment.carrying.astype(np.float64),
            },
        )
