"""The environment: by hand, with Gymnasium's checker, and compared with its vectorised form."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st

from fpc.domains.apple_retrieval.environment import AppleRetrieval, Task, VectorAppleRetrieval

TASKS: tuple[Task, ...] = ("phase_1", "phase_2", "whole")


@pytest.mark.parametrize("task", TASKS)
def test_it_is_a_gymnasium_environment(task: Task) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(AppleRetrieval(3, 0.1, task=task), skip_render_check=True)


def play(task: Task, actions: str, max_steps: int = 100) -> list[tuple[float, float, bool, bool]]:
    environment = AppleRetrieval(2, 0.5, max_steps, task)
    environment.reset()
    steps = []
    for action in actions:
        observation, reward, terminated, truncated, _ = environment.step("LR".index(action))
        steps.append((float(observation[0]), reward, terminated, truncated))
    return steps


def test_whole_task_by_hand() -> None:
    assert play("whole", "RLRRLL") == [
        (-0.5, 1.0, False, False),
        (-0.5, -1.0, False, False),
        (-0.5, 1.0, False, False),
        (0.5, 1.0, False, False),  # the apple is picked up
        (0.5, 1.0, False, False),
        (0.5, 1.0, True, False),  # home
    ]


def test_parts_of_the_task() -> None:
    assert play("phase_1", "RR")[-1] == (0.5, 1.0, True, False)
    assert play("phase_2", "RLLL") == [
        (0.5, -1.0, False, False),
        (0.5, 1.0, False, False),
        (0.5, 1.0, False, False),
        (0.5, 1.0, True, False),
    ]


def test_time_runs_out() -> None:
    assert play("whole", "LLL", max_steps=3)[-1] == (-0.5, -1.0, False, True)
    assert play("whole", "RRLL", max_steps=4)[-1][2:] == (True, False)  # success counts first


@settings(deadline=None)
@given(seed=st.integers(0, 2**31), task=st.sampled_from(TASKS), right=st.floats(0.2, 0.8))
def test_vectorised_agrees_step_by_step(seed: int, task: Task, right: float) -> None:
    generator = np.random.default_rng(seed)
    distances, episodes, time = np.array([1, 2, 5]), 4, 30
    vectorised = VectorAppleRetrieval(distances, episodes, task)
    single = [
        [AppleRetrieval(int(distance), 0.5, time, task) for _ in range(episodes)] for distance in distances
    ]
    ended = np.zeros((len(distances), episodes), bool)
    success = np.zeros_like(ended)
    for row in single:
        for environment in row:
            environment.reset()
    for _ in range(time):
        actions = generator.random((len(distances), episodes)) < right
        step = vectorised.step(actions)
        assert np.array_equal(step.active, ~ended)
        for index in zip(*np.nonzero(~ended), strict=True):
            environment = single[index[0]][index[1]]
            observation, reward, terminated, truncated, _ = environment.step(int(actions[index]))
            assert step.reward[index] == reward
            assert vectorised.position[index] == environment.position
            assert vectorised.carrying[index] == (observation[0] > 0)
            ended[index], success[index] = terminated or truncated, terminated
        assert np.all(step.reward[~step.active] == 0)
    assert np.array_equal(vectorised.success, success)
