"""REINFORCE's summed gradient compared with the plain formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from fpc.domains.apple_retrieval.policy import ApplePolicy
from fpc.learners.reinforce.train import (
    Episodes,
    policy_gradient_loss,
    returns_to_go,
    summed_returns,
    visited,
)


def random_episodes(seed: int, steps: int = 7, runs: int = 3, episodes: int = 4) -> Episodes:
    generator = np.random.default_rng(seed)
    shape = (steps, runs, episodes)
    length = generator.integers(1, steps + 1, shape[1:])
    active = np.arange(steps)[:, None, None] < length
    return Episodes(
        observation=generator.random(shape) < 0.5,
        action=generator.random(shape) < 0.5,
        reward=generator.choice([-1.0, 1.0], shape) * active,
        active=active,
        outcome={},
    )


def test_returns_by_hand() -> None:
    reward = np.array([1.0, -1.0, 2.0])
    assert returns_to_go(reward, 1.0).tolist() == [2.0, 1.0, 2.0]
    assert returns_to_go(reward, 0.5).tolist() == [1.0, 0.0, 2.0]


@settings(deadline=None)
@given(seed=st.integers(0, 2**31), gamma=st.floats(0.0, 1.0))
def test_loss_equals_the_sum_over_steps(seed: int, gamma: float) -> None:
    episodes = random_episodes(seed)
    weight, bias = torch.tensor([0.3, -2.0, 0.0]), torch.tensor([1.0, 0.1, -0.7])
    policy = ApplePolicy(weight, bias)
    observations = torch.tensor([[[-1.0], [1.0]], [[-0.5], [0.5]], [[-2.0], [2.0]]], dtype=torch.float64)
    returns = torch.from_numpy(summed_returns(episodes, gamma))
    loss = policy_gradient_loss(policy, observations, returns, episodes.reward.shape[2])
    expected = np.zeros(3)
    for step, run, episode in zip(*np.nonzero(episodes.active), strict=True):
        observation = (1.0 if episodes.observation[step, run, episode] else -1.0) * observations[
            run, 1, 0
        ].item()
        logit = weight[run].item() * observation + bias[run].item()
        right = 1 / (1 + np.exp(-logit))
        chosen = right if episodes.action[step, run, episode] else 1 - right
        powers = gamma ** np.arange(len(episodes.reward) - step)
        expected[run] -= (powers * episodes.reward[step:, run, episode]).sum() * np.log(chosen) / 4
    assert loss.detach().numpy() == pytest.approx(expected, rel=1e-6, abs=1e-6)


def test_gradient_by_hand() -> None:
    # one step of one episode, right, return 1: d loss / d logit = -(1 - P(right)) = -1/2
    policy = ApplePolicy(torch.tensor([0.0]), torch.tensor([0.0]))
    one = np.ones((1, 1, 1), bool)
    episodes = Episodes(one, one, one.astype(float), one, {})
    observations = torch.tensor([[[-2.0], [2.0]]], dtype=torch.float64)
    returns = torch.from_numpy(summed_returns(episodes, 1.0))
    policy_gradient_loss(policy, observations, returns, 1).sum().backward()
    assert policy.bias.grad is not None
    assert policy.weight.grad is not None
    assert policy.bias.grad.item() == pytest.approx(-0.5)
    assert policy.weight.grad.item() == pytest.approx(-1.0)


@settings(deadline=None)
@given(seed=st.integers(0, 2**31), count=st.integers(1, 60))
def test_visited_states_keep_their_proportions(seed: int, count: int) -> None:
    episodes = random_episodes(seed)
    observations = torch.tensor([[[-1.0], [1.0]]] * 3, dtype=torch.float64)
    chosen = visited(episodes, observations, count)
    assert chosen.shape == (3, count, 1)
    active = episodes.active.sum((0, 2))
    share = (episodes.active & episodes.observation).sum((0, 2)) / active
    assert (chosen > 0).double().mean((1, 2)).numpy() == pytest.approx(share, abs=0.5 / count + 1e-9)
