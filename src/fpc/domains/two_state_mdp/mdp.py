"""The two-state MDP: exact values as pure functions of the policy's one parameter theta.

In s0 the policy moves to s1 with probability theta (reward 1) and otherwise stays (reward r0); in s1 it
stays with probability f(theta) (reward 1) and otherwise returns to s0 (reward r1). All functions take
real or complex scalars or arrays of theta in [0, 1] and return the same shape.
Source: paper, appendix on the two-state MDPs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from fpc.domains.two_state_mdp.config import CoverageGap, Gaps, Rewards

Function = Callable[[Any], Any]


def coverage_stay_probability(theta: Any, epsilon: float) -> Any:
    """f of the state coverage gap: 1 at theta = 0, 0 at ``1 - epsilon / 2``, then ``2 theta - 1``."""
    seam = 1 - epsilon / 2
    return np.where(np.real(theta) <= seam, 1 - theta * epsilon / seam, 2 * theta - 1)


def cloning_stay_probability(theta: Any) -> Any:
    """f of the imperfect cloning gap: ``2 |theta - 1/2|``."""
    return np.where(np.real(theta) < 0.5, 1 - 2 * theta, 2 * theta - 1)


def stay_probability(gap: Rewards) -> Function:
    """f(theta), a gap's probability of staying in s1."""
    if isinstance(gap, CoverageGap):
        return partial(coverage_stay_probability, epsilon=gap.epsilon)
    return cloning_stay_probability


def value_from_s0(theta: Any, gap: Rewards) -> Any:
    """``v0 = [theta + r0 (1-theta)(1-g f) + g theta r1 (1-f)] / [(1-g)(1 - g f + g theta)]``."""
    stay, gamma = stay_probability(gap)(theta), gap.gamma
    rewards = (
        theta + gap.r0 * (1 - theta) * (1 - gamma * stay) + gamma * theta * gap.r1 * (1 - stay)
    )  # fmt: skip
    return rewards / ((1 - gamma) * (1 - gamma * stay + gamma * theta))


def value_from_s1(theta: Any, gap: Rewards) -> Any:
    """``v1 = [f + (1-f)(r1 + g v0)] / (1 - g f)``, from the Bellman equation in s1."""
    stay = stay_probability(gap)(theta)
    back = gap.r1 + gap.gamma * value_from_s0(theta, gap)
    return (stay + (1 - stay) * back) / (1 - gap.gamma * stay)


def gaps_by_name(gaps: Gaps) -> dict[str, Rewards]:
    """The gaps by their names in tables: ``coverage`` and ``cloning``."""
    return {"coverage": gaps.coverage, "cloning": gaps.cloning}
