"""The Fisher information compared with hand-computed values."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn.functional import logsigmoid

from fpc.learners.sac.networks import Actor
from fpc.learners.sac.options import SACOptions
from fpc.retention.batch_fisher import batch_fisher
from fpc.retention.fisher import diagonal_fisher
from fpc.workflow.trying.students import BernoulliPolicy

from .policies import CategoricalPolicy, GaussianPolicy, Listed, NetworkPolicy


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
    fisher = batch_fisher(policy, Listed(batches), 2)
    assert fisher["weight"].item() == pytest.approx((1 / 16 + 1 / 64) / 2)
    with pytest.raises(ValueError, match="at least 1 batches, but got 0"):
        batch_fisher(policy, Listed(batches), 0)
    with pytest.raises(ValueError, match="at least 2 batches, but got 1"):
        batch_fisher(policy, Listed(batches), 1, relative_size=0.5)


def test_the_floor_holds_for_each_sample() -> None:
    # The slope's Fisher information at o is o^2 / 4: 2.25 at o = 3, 0 at o = 0, which is raised to 1.
    policy = GaussianPolicy(0.7, math.log(2))
    observations = torch.tensor([[3.0], [0.0]])
    assert diagonal_fisher(policy, observations)["slope"].item() == pytest.approx(2.25 / 2)
    assert diagonal_fisher(policy, observations, floor=1.0)["slope"].item() == pytest.approx((2.25 + 1) / 2)


def one_unit_actor() -> Actor:
    """One input x, one hidden unit h = relu(x / 2), mean 3 h, log standard deviation -h."""
    options = SACOptions(hidden_sizes=(1,), activation="relu", layer_norm=False, stage_in_trunk=False)
    actor = Actor(2, 1, 1, options)
    with torch.no_grad():
        actor.linears()[0].weight.fill_(0.5)
        actor.head_weight.copy_(torch.tensor([[[3.0], [-1.0]]]))
    return actor


def test_a_squashed_mean_by_hand() -> None:
    # At x = 2: h = 1, mean 3, standard deviation e^-1. dmean/dw = 3 * 2 = 6, and after tanh
    # 6 (1 - tanh(3)^2) = 6 * .00986604 = .0591962; dstd/dw = -2 e^-1 = -.735759.
    # F = (.0591962^2 + 2 * .735759^2) / (e^-2 + 1e-6) = (.00350419 + 1.0826826) / .1353363 = 8.025833.
    # At x = -2 the unit is off, so F = 0, raised to the floor of .01: the mean is (8.025833 + .01) / 2.
    # Before tanh: (36 + 1.0826826) / .1353363 = 274.00393, over two samples 137.00196.
    actor, observations = one_unit_actor(), torch.tensor([[2.0, 1.0], [-2.0, 1.0]])
    base = diagonal_fisher(actor, observations, floor=0.01, squashed=True)["trunk.0.weight"].item()
    assert base == pytest.approx(4.0179165, rel=1e-5)
    assert diagonal_fisher(actor, observations)["trunk.0.weight"].item() == pytest.approx(137.00196, rel=1e-5)


@pytest.mark.parametrize("layer_norm", [True, False])
def test_the_base_codes_estimate_by_autograd_of_every_sample(layer_norm: bool) -> None:
    """Continual World's formula, written out: a gradient for each sample, action dimension and output."""
    torch.manual_seed(0)
    options = SACOptions(hidden_sizes=(8, 8), layer_norm=layer_norm)
    actor = Actor(6, 2, 2, options, torch.Generator().manual_seed(1))
    observations = torch.cat((torch.randn(7, 4), torch.eye(2)[[0, 1, 1, 0, 1, 0, 1]]), -1)
    with torch.no_grad():
        actor.head_bias[1, 0] = 6.0  # saturates tanh in stage 1
        actor.head_bias[:, 2:] = -3.0
    anchored = dict(actor.anchored_parameters())
    expected = {name: torch.zeros_like(value) for name, value in anchored.items()}
    for observation in observations:
        mean, log_std = actor.outputs(observation[None])[0].chunk(2)
        deviation = log_std.exp()
        fisher = {name: torch.zeros_like(value) for name, value in anchored.items()}
        for dimension in range(2):
            parameters, variance = list(anchored.values()), deviation[dimension].item() ** 2
            of_mean = torch.autograd.grad(torch.tanh(mean)[dimension], parameters, retain_graph=True)
            of_deviation = torch.autograd.grad(deviation[dimension], parameters, retain_graph=True)
            for name, mu, sigma in zip(fisher, of_mean, of_deviation, strict=True):
                fisher[name] += (mu.square() + 2 * sigma.square()) / (variance + 1e-6)
        for name, value in fisher.items():
            expected[name] += value.clamp(min=1e-5) / len(observations)
    found = diagonal_fisher(actor, observations, samples_at_once=3, floor=1e-5, squashed=True)
    assert set(found) == set(expected)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    plain = diagonal_fisher(actor, observations, samples_at_once=3)
    assert all((plain[name] > found[name]).any() for name in expected)


def test_only_a_squashed_policy_has_a_squashed_mean() -> None:
    with pytest.raises(ValueError, match="squashed_mean: false"):
        diagonal_fisher(GaussianPolicy(0.7, 0.0), torch.zeros(1, 1), squashed=True)
