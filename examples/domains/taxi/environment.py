"""The rules of Gymnasium's Taxi-v3, as a task that begins before or after the passenger is picked up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import permutations
from typing import Any, Literal

import gymnasium
import numpy as np
from gymnasium.envs.toy_text.taxi import TaxiEnv

from fpc.core.seeds import rng_of
from fpc.learners.interface import VISITED

SIDE, LANDMARKS, ACTIONS = 5, 4, 6
DROP_OFF = 5  # action; 4 is a pick-up, 0 to 3 move down, up, right and left
WRONG = -10  # Gymnasium's reward of a wrong pick-up or drop-off
ABOARD = 4  # the passenger's place in the taxi; 0 to 3 are the landmarks
CLOSE, FAR, WHOLE = "pick_up", "drop_off", "whole"  # probes
Task = Literal["game", "ride"]
_SIZES = (SIDE, SIDE, LANDMARKS + 1, LANDMARKS)  # row, column, passenger, destination
WIDTH = sum(_SIZES)


@cache
def rules() -> TaxiEnv:
    """The game, used for its rules only: transitions ``P``, ``encode`` and ``decode`` of states 0 to 499."""
    return TaxiEnv()


def moved(state: int, action: int) -> tuple[int, bool, bool]:
    """The next state, whether the action was a wrong drop-off, and whether it delivered the passenger."""
    ((_, after, reward, delivered),) = rules().P[state][action]
    return int(after), action == DROP_OFF and reward == WRONG, bool(delivered)


def is_aboard(state: int) -> bool:
    """Whether the passenger is in the taxi: Far."""
    return tuple(rules().decode(state))[2] == ABOARD


def starts_of(task: Task) -> list[int]:
    """States in which games begin: the empty taxi at the destination, or a ride anywhere but there.

    12 states of whole games, as the passenger waits at another landmark; 96 of rides.
    """
    game = rules()
    if task == "game":
        return [game.encode(*game.locs[there], origin, there) for origin, there in _journeys()]
    return [
        game.encode(row, column, ABOARD, there)
        for row in range(SIDE)
        for column in range(SIDE)
        for there in range(LANDMARKS)
        if (row, column) != game.locs[there]
    ]


def picked_up() -> list[int]:
    """The 12 states right after a pick-up, in which measured rides begin."""
    game = rules()
    return [game.encode(*game.locs[origin], ABOARD, there) for origin, there in _journeys()]


def _journeys() -> list[tuple[int, int]]:
    """Origin and destination of every passenger."""
    return list(permutations(range(LANDMARKS), 2))


def observe(state: int) -> np.ndarray:
    """Row, column, passenger and destination, one-hot each, uint8 ``[19]``."""
    parts = [
        np.eye(size, dtype=np.uint8)[part] for size, part in zip(_SIZES, rules().decode(state), strict=True)
    ]
    return np.concatenate(parts)


class TaxiEnvironment(gymnasium.Env[np.ndarray, int]):
    """Games of one task; a delivery is worth 1 and ends the game.

    Args:
        max_steps: after which a game is truncated.
        task: ``game`` begins with the empty taxi, ``ride`` with the passenger in it.
        stream: seeds; episode n is seeded by ``(*stream, n)``.
        wrong_drop_off: cost of a drop-off without a passenger, or where no landmark is.
    """

    def __init__(
        self, max_steps: int, task: Task, stream: Sequence[int], wrong_drop_off: float = 0.0
    ) -> None:
        self.max_steps, self.wrong_drop_off = max_steps, wrong_drop_off
        self.stream, self.starts = tuple(stream), starts_of(task)
        self.observation_space = gymnasium.spaces.Box(0, 1, (WIDTH,), np.uint8)
        self.action_space = gymnasium.spaces.Discrete(ACTIONS)  # type: ignore[assignment]
        self.state, self.episode, self.steps = self.starts[0], -1, 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Start the next episode; ``seed`` starts a new stream."""
        if seed is not None:
            self.stream, self.episode = (seed,), -1
        self.episode, self.steps = self.episode + 1, 0
        self.state = self.starts[int(rng_of(*self.stream, self.episode).integers(len(self.starts)))]
        return observe(self.state), self._info()

    def step(self, action: int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step."""
        self.state, wrong, delivered = moved(self.state, int(action))
        self.steps += 1
        truncated = not delivered and self.steps >= self.max_steps
        info = self._info()
        if delivered or truncated:
            info["metrics"] = {"success": float(delivered)}
        reward = float(delivered) - self.wrong_drop_off * wrong
        return observe(self.state), reward, delivered, truncated, info

    def snapshot(self) -> Mapping[str, Any]:
        """Everything ``restore`` needs, as JSON values."""
        return {"state": self.state, "episode": self.episode, "steps": self.steps}

    def restore(self, snapshot: Mapping[str, Any]) -> np.ndarray:
        """Continue the episode of ``snapshot``; returns its observation."""
        self.state, self.episode, self.steps = snapshot["state"], snapshot["episode"], snapshot["steps"]
        return observe(self.state)

    def _info(self) -> dict[str, Any]:
        return {VISITED: FAR} if is_aboard(self.state) else {}
