"""Montezuma's Revenge with preprocessing: greyscale frames, sticky actions, starts from any known state.

Preprocessing and sticky actions follow the public PPO-RND code that the paper builds on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import cv2
import gymnasium
import numpy as np

from fpc.core.seeds import rng_of
from fpc.domains.montezuma.config import EnvironmentOptions, Goal
from fpc.domains.montezuma.emulator import ACTIONS, INVENTORY, ROOM, Emulator
from fpc.domains.montezuma.rooms import room_number
from fpc.domains.montezuma.start_states import StartState, replay
from fpc.learners.interface import VISITED

Outcome = Literal["going", "success", "failure"]
Task = Literal["game", "room"]


class RoomAttempt:
    """Success in a room: points or an item gained, or an exit other than the entrance (paper, appendix).

    Losing a life, or leaving through the entrance, is a failure. With the goal ``points`` only these succeed,
    and leaving is a failure whatever the exit.
    """

    def __init__(self, room: int, came_from: int, inventory: int, lives: int, goal: Goal = "any") -> None:
        self.room, self.came_from, self.goal = room, came_from, goal
        self.inventory, self.lives = inventory, lives
        self.outcome: Outcome = "going"

    def see(self, room: int, reward: float, inventory: int, lives: int) -> Outcome:
        """Update with the values after a step and return the outcome, which is final once decided."""
        if self.outcome == "going":
            self.outcome = self._judge(room, reward, inventory, lives)
        self.inventory = inventory
        return self.outcome

    def _judge(self, room: int, reward: float, inventory: int, lives: int) -> Outcome:
        anything = self.goal == "any"
        if reward > 0 or (anything and inventory & ~self.inventory):
            return "success"
        if lives < self.lives:
            return "failure"
        if room != self.room:
            return "success" if anything and room != self.came_from else "failure"
        return "going"


class MontezumaEnvironment(gymnasium.Env[np.ndarray, int]):
    """The game, or single attempts in a room.

    Observations are uint8 ``[stack, size, size]``, the newest frame last; actions are 0 to 17.

    Args:
        options: preprocessing and limits.
        stream: seeds; episode n is seeded by ``(*stream, n)``.
        starts: each episode starts in one drawn at random; if empty, at the start of the game.
        task: ``room`` ends the episode with the attempt's outcome and rewards success with 1.
    """

    def __init__(
        self,
        options: EnvironmentOptions,
        stream: Sequence[int] = (0,),
        starts: Sequence[StartState] = (),
        task: Task = "game",
    ) -> None:
        self.options, self.stream, self.starts, self.task = options, tuple(stream), tuple(starts), task
        self.emulator = Emulator(options.frame_skip)
        size = options.screen_size
        shape = (options.frame_stack, size, size)
        self.observation_space = gymnasium.spaces.Box(0, 255, shape, np.uint8)
        self.action_space = gymnasium.spaces.Discrete(ACTIONS)  # type: ignore[assignment]
        self.stack = np.zeros(shape, np.uint8)
        self.episode = -1
        self.generator = rng_of(*self.stream, 0)
        self._known: dict[StartState, tuple[bytes, int, np.ndarray]] = {}
        self.attempt: RoomAttempt | None = None
        self.steps, self.score, self.last_action = 0, 0.0, 0
        self.room_steps: Counter[int] = Counter()

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start the next episode; ``seed`` starts a new stream, ``options["start"]`` sets the start state."""
        if seed is not None:
            super().reset(seed=seed)
            self.stream, self.episode = (seed,), -1
        self.episode += 1
        self.generator = rng_of(*self.stream, self.episode)
        start = (options or {}).get("start")
        if start is None and self.starts:
            start = self.starts[int(self.generator.integers(len(self.starts)))]
        self.steps, self.score, self.last_action = 0, 0.0, 0
        self.room_steps = Counter()
        self.stack[:] = self._shrunk(self._begin(start))
        return self.stack.copy(), self._info()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step; with probability ``sticky`` the previous action is repeated."""
        if self.generator.random() >= self.options.sticky:
            self.last_action = int(action)
        reward = self.emulator.step(self.last_action, draw=True)
        self.steps += 1
        self.score += reward
        self.stack[:-1] = self.stack[1:]
        self.stack[-1] = self._shrunk(self.emulator.frame())
        info = self._info()
        self.room_steps[info["room"]] += 1
        terminated = self.emulator.game_over
        if self.attempt is not None:
            outcome = self.attempt.see(info["room"], reward, info["inventory"], info["lives"])
            if self.task == "room":
                terminated = terminated or outcome != "going"
                reward = float(outcome == "success")
        limit = self.options.room_max_steps if self.task == "room" else self.options.max_steps
        truncated = not terminated and self.steps >= limit
        if terminated or truncated:
            info["metrics"] = self._metrics()
        return self.stack.copy(), reward, terminated, truncated, info

    def snapshot(self) -> Mapping[str, Any]:
        """Everything ``restore`` needs, as JSON values and arrays."""
        attempt = None if self.attempt is None else dict(vars(self.attempt))  # it goes on
        return {
            "emulator": np.frombuffer(self.emulator.save(), np.uint8),
            "stack": self.stack,
            "generator": self.generator.bit_generator.state,
            "episode": self.episode,
            "steps": self.steps,
            "score": self.score,
            "last_action": self.last_action,
            "room_steps": [[room, steps] for room, steps in self.room_steps.items()],
            "attempt": attempt,
        }

    def restore(self, snapshot: Mapping[str, Any]) -> np.ndarray:
        """Continue the episode of ``snapshot``; returns its observation."""
        self.emulator.reset()
        self.emulator.load(snapshot["emulator"].tobytes())
        self.stack[:] = snapshot["stack"]
        self.generator = rng_of(0)
        self.generator.bit_generator.state = snapshot["generator"]
        for name in ("episode", "steps", "score", "last_action"):
            setattr(self, name, snapshot[name])
        self.room_steps = Counter({room: steps for room, steps in snapshot["room_steps"]})
        self.attempt = None
        if (attempt := snapshot["attempt"]) is not None:
            self.attempt = RoomAttempt(0, 0, 0, 0)
            vars(self.attempt).update(attempt)
        return self.stack.copy()

    def _begin(self, start: StartState | None) -> np.ndarray:
        """The first frame of the episode, uint8 ``[210, 160]``."""
        if start is None:
            self.emulator.reset()
            self.attempt = None
            return self.emulator.draw()
        if start not in self._known:
            came_from = replay(self.emulator, start)
            # The emulator renders nothing when it loads a state, so the frame is saved with it.
            self._known[start] = (self.emulator.save(), came_from, self.emulator.draw())
        state, came_from, frame = self._known[start]
        self.emulator.load(state)
        inventory, lives = self.emulator.inventory, self.emulator.lives
        self.attempt = RoomAttempt(start.room, came_from, inventory, lives, self.options.goal)
        return frame

    def _shrunk(self, frame: np.ndarray) -> np.ndarray:
        """A frame at the size of observations, interpolated linearly as in the base code."""
        size = self.options.screen_size
        return cv2.resize(frame, (size, size), interpolation=cv2.INTER_LINEAR)

    def _info(self) -> dict[str, Any]:
        ram = self.emulator.ram
        ram_room = int(ram[ROOM])
        return {
            "room": (room := room_number(ram_room)),
            VISITED: f"room_{room}",
            "ram_room": ram_room,
            "inventory": int(ram[INVENTORY]),
            "lives": self.emulator.lives,
            "action": self.last_action,
        }

    def _metrics(self) -> dict[str, float]:
        """Metrics of the whole episode; ``room_<n>`` is the number of steps spent there."""
        metrics = {"score": self.score, "rooms": float(len(self.room_steps))}
        if self.attempt is not None:
            metrics["success"] = float(self.attempt.outcome == "success")
        return metrics | {f"room_{room}": float(steps) for room, steps in sorted(self.room_steps.items())}
