"""The Fisher information compared with hand-computed values."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import logsigmoid

from fpc.retention.fisher import batch_fisher, diagonal_fisher

from .policies import BernoulliPolicy, CategoricalPolicy, GaussianPolicy, NetworkPolicy


def test_bernoulli_policy_by_hand() -> None:
    # w = b = 0: p(1-p) = 1/4; F_w = 1/4 mean(o^2) = 1/4 (1 + 9)/2, F_b = 1/4
    policy = BernoulliPolicy(torch.tensor(0.0), torch.tensor(0.0))
    fisher = diagonal_fisher(policy, torch.tensor([[1.0], [3.0]]))
    assert fisher["weight"].item() == pytest.approx(1.25)
    assert fisher["bias"].item() == pytest.approx(0.25)


def test_gaussian_policy_by_hand() -> None:
    # deviation 2: dmean/dslope = o, information 1/4: F = mean(o^2)/4; ddeviation/dc = 2,
    # information 2/4: F = 4 * 1/2 = 2, whatever the observation.
    policy = GaussianPolicy(0.7, math.log(2))
    fisher = diagonal_fisher(policy, torch.tensor([[1.0], [2.0], [3.0]]))
    assert fisher["slope"].item() == pytest.approx((1 + 4 + 9) / 3 / 4)
    assert fisher["log_deviation"].item() == pytest.approx(2.0)


def test_fisher_is_the_expected_squared_score() -> None:
    # F = sum_a pi(a) (d log pi(a) / d theta)^2, summed over both actions with autograd
    policy = BernoulliPolicy(torch.tensor(0.8), torch.tensor(-0.3))
    observation = torch.tensor([[1.7]])
    expected = 0.0
    for sign in (1.0, -1.0):
        log_probability = logsigmoid(sign * policy.outputs(observation)).sum()
        (score,) = torch.autograd.grad(log_probability, policy.weight)
        expected += (log_probability.exp() * score.square()).item()
    assert diagonal_fisher(policy, observation)["weight"].item() == pytest.approx(expected, rel=1e-5)


def test_parallel_runs_equal_separate_runs() -> None:
    weight, bias = torch.tensor([0.5, -1.0]), torch.tensor([0.1, 2.0])
    observations = torch.tensor([[[1.0], [2.0], [-1.0]], [[0.5], [0.0], [3.0]]])
    policy = BernoulliPolicy(weight, bias)
    together = diagonal_fisher(policy, observations, run_dimensions=1, samples_at_once=2)
    for run in range(2):
        alone = diagonal_fisher(BernoulliPolicy(weight[run], bias[run]), observations[run])
        torch.testing.assert_close(together["weight"][run], alone["weight"])
        torch.testing.assert_close(together["bias"][run], alone["bias"])


def test_network_equals_a_loop_over_samples() -> None:
    torch.manual_seed(0)
    policy, observations = NetworkPolicy(), torch.randn(5, 3)
    anchored = dict(policy.anchored_parameters())
    expected = {name: torch.zeros_like(value) for name, value in anchored.items()}
    for observation in observations:
        output = policy.outputs(observation[None])
        grads = torch.autograd.grad(output.sum(), list(anchored.values()))
        for name, grad in zip(expected, grads, strict=True):
            expected[name] += policy.information(output.detach()).item() * grad.square() / 5
    fisher = diagonal_fisher(policy, observations, samples_at_once=2)
    assert set(fisher) == {"first.weight", "first.bias", "norm.weight", "norm.bias", "last.weight"}
    for name, value in expected.items():
        torch.testing.assert_close(fisher[name], value)
        assert not fisher[name].requires_grad


def test_a_policy_that_is_not_a_module_is_rejected() -> None:
    with pytest.raises(TypeError, match=r"nn\.Module"):
        diagonal_fisher(object(), torch.zeros(1, 1))  # type: ignore[arg-type]


def test_fisher_has_no_graph_if_other_parameters_require_grad() -> None:
    policy = BernoulliPolicy(torch.tensor(0.8), torch.tensor(-0.3))
    anchored = dict(policy.anchored_parameters())
    kept = {"weight": anchored["weight"]}
    policy.anchored_parameters = lambda: kept  # type: ignore[method-assign]
    fisher = diagonal_fisher(policy, torch.tensor([[1.7]]))
    assert not fisher["weight"].requires_grad


def test_the_batch_estimate_by_hand() -> None:
    # w = ln 3: P(first | o = 1) = 3/4, P(first | o = -1) = 1/4, so the most likely action has 3/4 at both.
    # d(-log p)/dw of the most likely action is -o (1 - 3/4) at o = 1 and o * 1/4 = -1/4 at o = -1.
    # The batch (1, -1) has the mean -1/4, the batch (1, 0) has (-1/4 + 0)/2 = -1/8.
    policy = CategoricalPolicy(math.log(3))
    batches = [torch.tensor([[1.0], [-1.0]]), torch.tensor([[1.0], [0.0]])]
    fisher = batch_fisher(policy, batches)
    assert fisher["weight"].item() == pytest.approx((1 / 16 + 1 / 64) / 2)
    with pytest.raises(ValueError, match="at least one batch"):
        batch_fisher(policy, [])
