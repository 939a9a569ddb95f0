"""One Meta-World task as a stage: a single simulator with resets that leave no trace of earlier episodes."""

from __future__ import annotations

import copy
import sys
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt
from metaworld.env_dict import ALL_V3_ENVIRONMENTS
from metaworld.sawyer_xyz_env import SawyerXYZEnv

from fpc.core.errors import unknown
from fpc.domains.robotic_sequence.meta_world import TASKS

OBSERVATION_SIZE = 39
ACTION_SIZE = 4
VERSION = "-v3"


def make_simulator(name: str) -> SawyerXYZEnv:
    """Create a task's Meta-World environment, with a visible goal and random start and goal positions.

    Args:
        name: Meta-World's name of the task without its version, e.g. ``"push-wall"``.

    Raises:
        ValueError: Meta-World has no such task.
    """
    if name not in TASKS:
        raise ValueError(unknown("Meta-World task", name, TASKS))
    simulator = ALL_V3_ENVIRONMENTS[f"{name}{VERSION}"]()
    # As Meta-World's set_task, but without a pickled task: the goal is visible, and each reset draws
    # start and goal from the simulator's own generator instead of using one of 50 fixed draws.
    simulator._partially_observable = False
    simulator.__dict__.pop("sawyer_observation_space", None)
    simulator._set_task_called = True
    simulator._freeze_rand_vec = False
    simulator.seeded_rand_vec = True
    simulator.max_path_length = sys.maxsize  # the sequence counts its own steps
    return simulator


class Stage:
    """A task whose episodes depend on their seed alone, whatever happened before.

    Meta-World's own reset leaves traces: body and site positions of the model, the warm start of
    the solver, the stacked previous observation, attributes of the task. All are restored first.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.simulator = make_simulator(name)
        self._attributes = {
            key: copy.deepcopy(value)
            for key, value in vars(self.simulator).items()
            # Arrays with a base are views into MuJoCo's data, so resetting that resets them.
            if (isinstance(value, np.ndarray) and value.base is None)
            or value is None
            or isinstance(value, bool | int | float)
        }
        self._body_positions = self.simulator.model.body_pos.copy()
        self._site_positions = self.simulator.model.site_pos.copy()

    def reset(self, seed: int) -> npt.NDArray[np.float64]:
        """Start an episode; the observation ``[39]`` and everything after it depend on ``seed`` only.

        Bit for bit the same as Meta-World's ``reset`` of a new environment with this draw of start and
        goal, in half the time: Meta-World resets twice, as the first pass places the bodies that the
        second one starts from; here the first pass does not move the hand.
        """
        simulator = self.simulator
        for key, value in self._attributes.items():
            setattr(simulator, key, copy.copy(value))
        simulator.model.body_pos[:] = self._body_positions
        simulator.model.site_pos[:] = self._site_positions
        mujoco.mj_resetData(simulator.model, simulator.data)
        vars(simulator)["_reset_hand"] = self._leave_hand
        try:
            self._reset_once(seed)
        finally:
            del simulator._reset_hand
        mujoco.mj_resetData(simulator.model, simulator.data)
        observation = self._reset_once(seed)
        simulator._prev_obs = observation[:18].copy()
        observation[18:36] = observation[:18]
        return observation

    def step(self, action: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], float, bool]:
        """Observation ``[39]``, Meta-World's reward (0 to 10), and whether the task is solved now."""
        observation, reward, _, _, info = self.simulator.step(action)
        return observation, float(reward), bool(info["success"])

    def close(self) -> None:
        """Free the simulator's renderer."""
        self.simulator.close()  # type: ignore[no-untyped-call]

    def _reset_once(self, seed: int) -> npt.NDArray[np.float64]:
        self.simulator._np_random = np.random.Generator(np.random.PCG64(seed))
        observation: npt.NDArray[np.float64] = self.simulator.reset_model()
        return observation

    def _leave_hand(self, steps: int = 50) -> Any:
        self.simulator.init_tcp = self.simulator.tcp_center
