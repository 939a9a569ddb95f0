"""Meta-World's scripted policies as experts, and rollouts of any policy."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from metaworld.policies import ENV_POLICY_MAP

from fpc.domains.robotic_sequence.environment import Observation, RoboticSequence
from fpc.domains.robotic_sequence.stage import ACTION_SIZE, VERSION

Action = npt.NDArray[np.float32]
Act = Callable[[Observation], Action]
ROW = ("observations", "intended", "action", "reward", "next_observations", "terminated")


class ScriptedExpert:
    """The scripted policies; an observation's stage selects the one that acts."""

    def __init__(self, environment: RoboticSequence) -> None:
        self._environment = environment
        names = [stage.name for stage in environment.options.stages]
        policies: dict[str, Any] = ENV_POLICY_MAP
        self._policies = [policies[f"{name}{VERSION}"]() for name in names]

    def __call__(self, observation: Observation) -> Action:
        """The action ``[4]``, clipped to [-1, 1]."""
        raw = self._environment.raw_observation(observation)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "Constant(s) may be too high": actions are clipped here
            action = self._policies[self._environment.stage].get_action(raw)
        clipped: Action = np.clip(action, -1.0, 1.0).astype(np.float32)
        return clipped


@dataclass
class Rollouts:
    """Transitions in the order they were made; ``N`` first.

    ``intended`` is the policy's action before noise, ``terminated`` whether the value function must not
    bootstrap, and ``solved`` whether the transition's episode solved its stage.
    """

    observations: npt.NDArray[np.float32]
    intended: npt.NDArray[np.float32]
    action: npt.NDArray[np.float32]
    reward: npt.NDArray[np.float32]
    next_observations: npt.NDArray[np.float32]
    terminated: npt.NDArray[np.float32]
    stage: npt.NDArray[np.int64]
    solved: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.reward)

    @staticmethod
    def joined(parts: Sequence[Rollouts]) -> Rollouts:
        """Concatenate parts."""
        names = Rollouts.__dataclass_fields__
        return Rollouts(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


def roll_out(
    environment: RoboticSequence, act: Act, stage: int, transitions: int, seed: int, noise: float = 0.0
) -> Rollouts:
    """Collect exactly ``transitions`` transitions from single-stage episodes with random starts.

    Args:
        noise: standard deviation of Gaussian noise on the executed action.
    """
    generator = np.random.default_rng(seed)
    rows: list[tuple[Any, ...]] = []
    solved: list[bool] = []
    while len(rows) < transitions:
        start = int(generator.integers(2**31))
        observation, _ = environment.reset(seed=start, options={"stages": (stage,)})
        first, terminated, success = len(rows), False, False
        while not terminated:
            intended = act(observation)
            action = intended
            if noise:
                action = np.clip(intended + noise * generator.normal(size=ACTION_SIZE), -1.0, 1.0)
                action = action.astype(np.float32)
            following, reward, terminated, _, info = environment.step(action)
            rows.append((observation, intended, action, reward, following, float(info["value_terminal"])))
            observation, success = following, bool(info["success"])
        solved += [success] * (len(rows) - first)
    columns = [np.stack(column).astype(np.float32) for column in zip(*rows[:transitions], strict=True)]
    return Rollouts(
        **dict(zip(ROW, columns, strict=True)),
        stage=np.full(transitions, stage, np.int64),
        solved=np.array(solved[:transitions], dtype=np.bool_),
    )


@dataclass(frozen=True)
class Episode:
    """The outcome of an episode; ``solved[i]`` refers to the i-th stage of its plan."""

    solved: tuple[bool, ...]
    total_reward: float
    length: int


def run_episode(environment: RoboticSequence, act: Act, stages: Sequence[int], seed: int) -> Episode:
    """Play one episode through ``stages`` from a start seed; the return is undiscounted."""
    observation, _ = environment.reset(seed=seed, options={"stages": stages})
    return finish_episode(environment, act, observation, len(stages))


def finish_episode(environment: RoboticSequence, act: Act, observation: Observation, stages: int) -> Episode:
    """Play an episode to its end after a reset; ``stages`` is the number of stages in its plan."""
    total, length, solved, terminated = 0.0, 0, 0, False
    while not terminated:
        observation, reward, terminated, _, info = environment.step(act(observation))
        total += reward
        length += 1
        solved = int(info["stages_solved"])
    return Episode(tuple(index < solved for index in range(stages)), total, length)


def success_rate(environment: RoboticSequence, act: Act, stage: int, seeds: Sequence[int]) -> float:
    """Fraction of single-stage episodes from these start seeds that ``act`` solves."""
    return float(np.mean([run_episode(environment, act, (stage,), seed).solved[0] for seed in seeds]))
