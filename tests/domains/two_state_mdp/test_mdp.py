"""Exact values compared with simulation, the Bellman equations and the paper's printed numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fpc.domains.two_state_mdp.config import CloningGap, CoverageGap, Rewards
from fpc.domains.two_state_mdp.mdp import stay_probability, value_from_s0, value_from_s1
from fpc.learners.gradient_ascent import derivative, gradient_ascent

COVERAGE = CoverageGap(gamma=0.9, r0=0.0, r1=-1.0, epsilon=1.0)
CLONING = CloningGap(gamma=0.9, r0=0.9914, r1=0.977, perturbation=0.55)


def ascend(gap: Rewards, start: float, updates: int, learning_rate: float = 0.002) -> np.ndarray:
    return gradient_ascent(lambda theta: value_from_s0(theta, gap), start, learning_rate, updates)


def test_printed_local_optimum_of_the_coverage_gap() -> None:
    end = ascend(COVERAGE, 0.0, 1000)[-1]
    assert end == pytest.approx(1 / 9, abs=1e-6)
    assert value_from_s0(end, COVERAGE) == pytest.approx(20 / 9, abs=1e-6)
    assert f"{end:.2f} {value_from_s0(end, COVERAGE):.2f}" == "0.11 2.22"
    assert value_from_s0(1.0, COVERAGE) == pytest.approx(10.0)


def test_printed_drift_of_the_cloning_gap() -> None:
    end = ascend(CLONING, 1 - CLONING.perturbation, 20_000)[-1]
    assert f"{end:.2f} {value_from_s0(end, CLONING):.2f}" == "0.08 9.93"


def test_a_smaller_perturbation_returns_to_the_optimum() -> None:
    # as stated in the configuration's docstring: for these rewards the basin of theta = 1 begins at .5
    assert ascend(CLONING, 0.51, 20_000)[-1] == 1.0


def test_seams_of_the_stay_probability() -> None:
    coverage, cloning = stay_probability(COVERAGE), stay_probability(CLONING)
    assert [float(coverage(theta)) for theta in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1.0, 0.5, 0.0, 0.5, 1.0]
    assert [float(cloning(theta)) for theta in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1.0, 0.5, 0.0, 0.5, 1.0]
    steeper = stay_probability(COVERAGE.model_copy(update={"epsilon": 0.5}))
    assert float(steeper(0.75)) == pytest.approx(0.5)


@settings(deadline=None)
@given(
    theta=st.floats(0.0, 1.0),
    gamma=st.floats(0.1, 0.99),
    r0=st.floats(-2.0, 2.0),
    r1=st.floats(-2.0, 2.0),
)
def test_values_satisfy_the_bellman_equations(theta: float, gamma: float, r0: float, r1: float) -> None:
    for gap in (
        CoverageGap(gamma=gamma, r0=r0, r1=r1, epsilon=1.0),
        CloningGap(gamma=gamma, r0=r0, r1=r1, perturbation=0.0),
    ):
        stay = float(stay_probability(gap)(theta))
        transitions = np.array([[1 - theta, theta], [1 - stay, stay]])
        rewards = np.array([theta + (1 - theta) * r0, stay + (1 - stay) * r1])
        solved = np.linalg.solve(np.eye(2) - gamma * transitions, rewards)
        assert value_from_s0(theta, gap) == pytest.approx(solved[0], rel=1e-6, abs=1e-6)
        assert value_from_s1(theta, gap) == pytest.approx(solved[1], rel=1e-6, abs=1e-6)


@settings(deadline=None)
@given(theta=st.floats(0.01, 0.99).filter(lambda theta: abs(theta - 0.5) > 1e-3))
def test_gradient_agrees_with_finite_differences(theta: float) -> None:
    for gap in (COVERAGE, CLONING):
        step = 1e-6
        difference = value_from_s0(theta + step, gap) - value_from_s0(theta - step, gap)
        exact = derivative(lambda value, gap=gap: value_from_s0(value, gap), theta)
        assert exact == pytest.approx(difference / (2 * step), rel=1e-4, abs=1e-4)


def test_ascent_by_hand() -> None:
    # value = -(theta - 1/4)^2: theta - 1/4 shrinks by 1 - 2 * .25 = 1/2 per update
    path = gradient_ascent(lambda theta: -((theta - 0.25) ** 2), 0.75, 0.25, 3)
    assert path.tolist() == [0.75, 0.5, 0.375, 0.3125]


def test_ascent_stays_in_its_interval() -> None:
    assert gradient_ascent(lambda theta: theta, 0.5, 10.0, 3).tolist() == [0.5, 1.0, 1.0, 1.0]
    assert gradient_ascent(lambda theta: -theta, 0.5, 10.0, 1).tolist() == [0.5, 0.0]
