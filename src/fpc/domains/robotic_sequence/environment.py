"""RoboticSequence: Meta-World tasks to be solved one after the other (paper, section 4 and appendix)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
import numpy.typing as npt

from fpc.domains.robotic_sequence.config import EnvironmentOptions, StageOptions
from fpc.domains.robotic_sequence.stage import ACTION_SIZE, OBSERVATION_SIZE, Stage
from fpc.learners.interface import VISITED

Observation = npt.NDArray[np.float32]


class RoboticSequence(gymnasium.Env[Observation, npt.NDArray[np.float32]]):
    """A sequence of tasks; the next one starts when the current one is solved.

    Observation, float32 ``[39 + 1 + stages]``: Meta-World's 39 numbers plus the stage's shift, the
    steps spent in the stage as a fraction of its limit, and the stage as one-hot. Action ``[4]`` in
    [-1, 1]. The episode ends when a stage's step limit is reached or the last stage is solved; both,
    and solving any stage, are terminal for a value function (``info["value_terminal"]``). While a Far stage
    is played, its probe's name is in ``info[VISITED]``, from the step that entered it.

    ``reset`` takes the option ``stages``: indices of the stages to go through, by default all.
    """

    metadata = {"render_modes": []}  # noqa: RUF012  (gymnasium's own type)
    render_mode = None

    def __init__(self, options: EnvironmentOptions) -> None:
        self.options = options
        self.tasks = tuple(Stage(stage.name) for stage in options.stages)
        stages = len(self.tasks)
        size = OBSERVATION_SIZE + 1 + stages
        self.observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
        self.action_space = gymnasium.spaces.Box(-1.0, 1.0, (ACTION_SIZE,), np.float32)
        self._shifts = tuple(stage.shift for stage in options.stages)
        self._template = np.zeros(size, np.float32)
        names = probe_names(options.stages)
        self._far = {stage: names[stage] for stage in options.pretrained_stages}
        self.stage = 0
        self._steps = 0
        self._plan: tuple[int, ...] = tuple(range(stages))
        self._solved = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode; with a seed it depends only on the seed, the options and the actions.

        Raises:
            ValueError: ``options`` has an unknown option or a stage that does not exist.
        """
        super().reset(seed=seed)
        options = options or {}
        if unknown := set(options) - {"stages"}:
            raise ValueError(f"unknown reset options {sorted(unknown)}; allowed: 'stages'")
        plan = tuple(int(stage) for stage in options.get("stages", range(len(self.tasks))))
        if not plan or not all(0 <= stage < len(self.tasks) for stage in plan):
            raise ValueError(
                f"stages {list(plan)} cannot be played; allowed: one or more of 0 to {len(self.tasks) - 1}"
            )
        self._plan = plan
        self._solved = 0
        observation = self._enter(plan[0])
        info = {"stage": plan[0], "success": False, "stages_solved": 0, "value_terminal": False}
        return observation, info | self._visited()

    def step(self, action: npt.NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One step; ``info["stage"]`` is the stage the action was taken in.

        On success in a stage that is not the last, the observation returned is the next stage's first.
        """
        stage = self.stage
        raw, reward, success = self.tasks[stage].step(action)
        self._steps += 1
        left = self.options.max_steps - self._steps
        if success:
            # Pay the reward for the stage's remaining time at once, so that solving it early costs nothing.
            reward *= self.options.success_factor * left
            self._solved += 1
        value_terminal = success or left == 0
        last = self._solved == len(self._plan)
        if success and not last:
            observation = self._enter(self._plan[self._solved])
        else:
            observation = self._observation(raw)
        info = {
            "stage": stage,
            "success": success,
            "stages_solved": self._solved,
            "value_terminal": value_terminal,
        }
        terminated = value_terminal and (last or not success)
        return observation, reward * self.options.reward_scale, terminated, False, info | self._visited()

    def close(self) -> None:
        """Free the simulators' renderers."""
        for task in self.tasks:
            task.close()

    def raw_observation(self, observation: Observation) -> npt.NDArray[np.float64]:
        """Meta-World's own numbers ``[39]`` in an observation of this environment."""
        stage = int(np.argmax(observation[OBSERVATION_SIZE + 1 :]))
        return observation[:OBSERVATION_SIZE].astype(np.float64) - self._shifts[stage]

    def _visited(self) -> dict[str, str]:
        """The Far stage that the next action is taken in, by its probe's name; empty in a Close one."""
        name = self._far.get(self.stage)
        return {} if name is None else {VISITED: name}

    def _enter(self, stage: int) -> Observation:
        self.stage = stage
        self._steps = 0
        self._template[:] = 0.0
        self._template[OBSERVATION_SIZE + 1 + stage] = 1.0
        return self._observation(self.tasks[stage].reset(int(self.np_random.integers(2**62))))

    def _observation(self, raw: npt.NDArray[np.float64]) -> Observation:
        observation = self._template.copy()
        observation[:OBSERVATION_SIZE] = raw
        if shift := self._shifts[self.stage]:
            observation[:OBSERVATION_SIZE] += shift
        observation[OBSERVATION_SIZE] = self._steps / self.options.max_steps
        return observation


def probe_names(stages: Sequence[StageOptions]) -> tuple[str, ...]:
    """Names of the single-stage probes: index and task, e.g. ``"3_push-wall"``."""
    return tuple(f"{index}_{stage.name}" for index, stage in enumerate(stages))
