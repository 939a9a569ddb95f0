"""The sequence on real Meta-World simulators."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from fpc.domains.robotic_sequence.environment import RoboticSequence, probe_names
from fpc.domains.robotic_sequence.expert import ScriptedExpert, roll_out, run_episode
from fpc.domains.robotic_sequence.stage import make_simulator

from .conftest import environment_options


@pytest.fixture(scope="module")
def sequence() -> RoboticSequence:
    return RoboticSequence(environment_options())


def play(sequence: RoboticSequence, seed: int, stages: tuple[int, ...], noise_seed: int = 0) -> list[Any]:
    """A complete noisy expert episode: observations, rewards, infos."""
    expert, noise = ScriptedExpert(sequence), np.random.default_rng(noise_seed)
    observation, info = sequence.reset(seed=seed, options={"stages": stages})
    trace: list[Any] = [(observation, 0.0, False, info)]
    terminated = False
    while not terminated:
        action = np.clip(expert(observation) + noise.normal(size=4) * 0.1, -1, 1).astype(np.float32)
        observation, reward, terminated, truncated, info = sequence.step(action)
        assert not truncated
        trace.append((observation, reward, terminated, info))
    return trace


def test_it_is_a_gymnasium_environment(sequence: RoboticSequence) -> None:
    check_env(sequence, skip_render_check=True)


def test_a_reset_leaves_no_trace_of_earlier_episodes(sequence: RoboticSequence) -> None:
    first = play(sequence, 7, (0, 1, 2))
    play(sequence, 8, (2, 1), noise_seed=5)
    sequence.reset(seed=9)
    sequence.step(np.ones(4, np.float32))
    second = play(sequence, 7, (0, 1, 2))
    fresh = play(RoboticSequence(environment_options()), 7, (0, 1, 2))
    for other in (second, fresh):
        assert len(other) == len(first)
        for mine, theirs in zip(first, other, strict=True):
            assert mine[0].tobytes() == theirs[0].tobytes()
            assert mine[1:] == theirs[1:]


def test_a_stage_starts_where_metaworld_itself_starts(sequence: RoboticSequence) -> None:
    """The shortened reset is bit for bit the same as Meta-World's full reset of a new simulator."""
    for task in sequence.tasks:
        simulator = make_simulator(task.name)
        ours = task.reset(123)
        start = task.simulator._last_rand_vec
        simulator._freeze_rand_vec, simulator._last_rand_vec = True, start
        theirs, _ = simulator.reset()
        assert ours.tobytes() == theirs.tobytes()
        action = np.array([0.3, -0.2, -0.5, 1.0], np.float32)
        for _ in range(30):
            mine, reward, _ = task.step(action)
            expected, wanted, *_ = simulator.step(action)
            assert mine.tobytes() == expected.tobytes()
            assert reward == wanted


def test_starts_and_goals_are_random(sequence: RoboticSequence) -> None:
    goals = {tuple(sequence.reset(seed=seed)[0][36:39]) for seed in range(5)}
    assert len(goals) == 5


def test_observation_holds_numbers_time_and_stage(sequence: RoboticSequence) -> None:
    trace = play(sequence, 3, (0, 1, 2))
    assert all(observation.dtype == np.float32 and observation.shape == (43,) for observation, *_ in trace)
    assert trace[0][0][39] == 0.0
    assert list(trace[0][0][40:]) == [1, 0, 0]
    assert trace[1][0][39] == np.float32(1 / 200)
    stages = [int(observation[40:].argmax()) for observation, *_ in trace]
    assert stages == sorted(stages)
    assert set(stages) == {0, 1, 2}
    for index in range(1, len(trace)):
        entered = stages[index] != stages[index - 1]
        assert trace[index][3]["stage"] == stages[index - 1]
        assert trace[index][3]["success"] == (entered or index == len(trace) - 1)
        if entered:
            assert trace[index][0][39] == 0.0
    assert trace[-1][3]["stages_solved"] == 3
    assert trace[-1][2]
    assert trace[-1][3]["value_terminal"]


def test_shift_moves_metaworlds_numbers_only(sequence: RoboticSequence) -> None:
    plain = RoboticSequence(environment_options(stages=["reach", "drawer-close", "push-wall"]))
    shifted, _ = sequence.reset(seed=5, options={"stages": (2,)})
    unshifted, _ = plain.reset(seed=5, options={"stages": (2,)})
    assert np.allclose(shifted[:39] - unshifted[:39], 0.5, atol=1e-6)
    assert np.array_equal(shifted[39:], unshifted[39:])
    assert np.allclose(sequence.raw_observation(shifted), unshifted[:39], atol=1e-6)


def test_rewards_of_a_solved_stage(sequence: RoboticSequence) -> None:
    """Meta-World's own reward times the scale; the last one also times 1.5 (T - t)."""
    simulator = make_simulator("reach")
    expert = ScriptedExpert(sequence)
    observation, _ = sequence.reset(seed=11, options={"stages": (0,)})
    simulator._freeze_rand_vec, simulator._last_rand_vec = True, sequence.tasks[0].simulator._last_rand_vec
    simulator.reset()
    terminated, step = False, 0
    while not terminated:
        action = expert(observation)
        observation, reward, terminated, _, info = sequence.step(action)
        _, own, _, _, own_info = simulator.step(action)
        step += 1
        expected = 0.1 * own * (1.5 * (200 - step) if own_info["success"] else 1.0)
        assert reward == pytest.approx(expected, rel=1e-12)
    assert info["success"]
    assert 0 < step < 200


def test_time_out_ends_episode_and_value() -> None:
    sequence = RoboticSequence(environment_options(max_steps=5))
    sequence.reset(seed=0)
    results = [sequence.step(np.zeros(4, np.float32)) for _ in range(5)]
    assert [result[2] for result in results] == [False] * 4 + [True]
    assert [result[4]["value_terminal"] for result in results] == [False] * 4 + [True]
    assert results[-1][0][39] == 1.0
    assert not results[-1][4]["success"]


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_scripted_expert_solves_its_stage(sequence: RoboticSequence, stage: int) -> None:
    solved = [run_episode(sequence, ScriptedExpert(sequence), (stage,), seed).solved[0] for seed in range(4)]
    assert sum(solved) >= 3


def test_rollouts_are_transitions_of_one_stage(sequence: RoboticSequence) -> None:
    data = roll_out(sequence, ScriptedExpert(sequence), 1, 150, seed=0, noise=0.3)
    assert len(data) == 150
    assert set(data.stage) == {1}
    assert data.observations.shape == (150, 43)
    assert np.abs(data.action).max() <= 1
    assert not np.array_equal(data.action, data.intended)
    inside = np.flatnonzero(data.terminated[:-1] == 0)
    assert np.array_equal(data.next_observations[inside], data.observations[inside + 1])
    again = roll_out(sequence, ScriptedExpert(sequence), 1, 150, seed=0, noise=0.3)
    assert np.array_equal(data.action, again.action)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"stages": (3,)}, "0 to 2"), ({"stages": ()}, "one or more"), ({"stage": 1}, "unknown reset options")],
)
def test_invalid_reset_options_are_rejected(
    sequence: RoboticSequence, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        sequence.reset(options=options)


def test_unknown_task_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="Did you mean 'push-wall'"):
        make_simulator("push_wall")


def test_probe_names() -> None:
    assert probe_names(environment_options().stages) == ("0_reach", "1_drawer-close", "2_push-wall")


def test_a_far_stage_is_visited_from_the_step_that_enters_it(sequence: RoboticSequence) -> None:
    names, far = probe_names(sequence.options.stages), sequence.options.pretrained_stages
    solved = 0
    for _, _, terminated, info in play(sequence, 7, (0, 1, 2)):
        solved = info["stages_solved"]
        if not terminated:
            assert info.get("visited") == (names[solved] if solved in far else None)
    assert solved > min(far)  # Far was reached at all
