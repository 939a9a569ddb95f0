"""AppleRetrieval: walk right to the apple (phase 1), then back home to the left (phase 2).

Source: paper, appendix on AppleRetrieval. Home is position 0, the apple lies at M; the line has no
walls. The reward is +1 for a step in the phase's direction, else -1. The observation is the scalar
-c in phase 1 and +c in phase 2. There are three tasks: ``phase_1`` ends when the apple is picked up,
``phase_2`` begins there, and ``whole`` is both.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal, NamedTuple

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Task = Literal["phase_1", "phase_2", "whole"]
LEFT, RIGHT = 0, 1


class AppleRetrieval(gymnasium.Env[NDArray[np.float32], int]):
    """Gymnasium environment for single episodes; actions are 0 (left) and 1 (right)."""

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]

    def __init__(self, distance: int, signal: float, max_steps: int = 100, task: Task = "whole") -> None:
        self.distance, self.signal = distance, np.float32(signal)
        self.max_steps, self.task = max_steps, task
        self.observation_space = spaces.Box(-self.signal, self.signal, (1,), np.float32)
        self.action_space = spaces.Discrete(2)  # type: ignore[assignment]

    def _observation(self) -> NDArray[np.float32]:
        return np.array([self.signal if self.carrying else -self.signal], np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start at home, or at the apple for ``phase_2``."""
        super().reset(seed=seed)
        self.carrying = self.task == "phase_2"
        self.position = self.distance if self.carrying else 0
        self.steps = 0
        return self._observation(), {}

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move one step; ``terminated`` means success, ``truncated`` that time ran out."""
        right = int(action) == RIGHT
        reward = 1.0 if right != self.carrying else -1.0
        self.position += 1 if right else -1
        self.steps += 1
        home = self.carrying and self.position <= 0
        picked = not self.carrying and self.position >= self.distance
        self.carrying = self.carrying or picked
        terminated = home or (picked and self.task == "phase_1")
        truncated = not terminated and self.steps >= self.max_steps
        return self._observation(), reward, terminated, truncated, {"position": self.position}


class Transition(NamedTuple):
    """One step of all episodes; each field is ``[K, B]``, and inactive episodes have reward 0."""

    reward: NDArray[np.int8]
    active: NDArray[np.bool_]  # whether the episode was still running before this step


class VectorAppleRetrieval:
    """The same environment for K runs of B parallel episodes; it agrees with the single one at every step.

    Args:
        distances: M of each run, ``[K]``.
        episodes: B.
        task: ``phase_1``, ``phase_2`` or ``whole``.
    """

    def __init__(self, distances: NDArray[np.int64], episodes: int, task: Task = "whole") -> None:
        self.distances, self.task = distances[:, None].astype(np.int32), task
        shape = (len(distances), episodes)
        self.carrying = np.full(shape, task == "phase_2")
        self.position = np.where(self.carrying, self.distances, np.int32(0))
        self.active = np.ones(shape, bool)
        self.success = np.zeros(shape, bool)

    def step(self, right: NDArray[np.bool_]) -> Transition:
        """Move all running episodes; ``right`` is ``[K, B]``.

        Uses small integers throughout, as this loop takes most of the training time.
        """
        active = self.active
        move = (2 * right.view(np.int8) - 1) * active.view(np.int8)
        reward = np.where(self.carrying, -move, move)
        self.position += move
        home = self.carrying & (self.position <= 0)
        picked = self.position >= self.distances
        ended = picked if self.task == "phase_1" else home
        self.success |= ended & active
        self.carrying |= picked & active
        self.active = active & ~ended
        return Transition(reward, active)
