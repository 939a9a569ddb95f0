"""Cloning and policy evaluation on hand-made transitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fpc.core.torch_settings import configure_torch
from fpc.domains.robotic_sequence.analysis import log_likelihood, principal_components
from fpc.domains.robotic_sequence.cloning import clone, cloning_loss, evaluate_policy
from fpc.domains.robotic_sequence.config import CloneOptions
from fpc.domains.robotic_sequence.expert import Rollouts
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.update import Updater

OPTIONS = CloneOptions(
    transitions=200,
    action_noise=0.0,
    updates=600,
    batch_size=64,
    learning_rate=3e-3,
    log_standard_deviation=-1.5,
    critic_updates=600,
    critic_transitions=0,
)
SAC = SACOptions(hidden_sizes=(32, 32), batch_size=32, critic_learning_rate=3e-3, initial_temperature=1e-4)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    configure_torch()


def linear_expert(count: int = 200) -> Rollouts:
    """Stage 1 of 2; the expert's action is half of the first four numbers; every step earns 2 and ends."""
    observations = np.random.default_rng(0).uniform(-1, 1, (count, 43)).astype(np.float32)
    observations[:, 41:] = [0, 1]
    action = 0.5 * observations[:, :4]
    ones = np.ones(count, np.float32)
    stage = np.ones(count, np.int64)
    return Rollouts(observations, action, action, 2 * ones, observations, ones, stage, ones.astype(bool))


def test_cloning_recovers_the_experts_actions_and_the_configured_deviation() -> None:
    actor, data = Actor(43, 4, 2, SAC, torch.Generator().manual_seed(0)), linear_expert()
    reports: list[tuple[int, dict[str, float]]] = []
    generator = torch.Generator().manual_seed(1)
    clone(actor, data, OPTIONS, generator, lambda update, measures: reports.append((update, measures)))
    with torch.no_grad():
        mean, log_std = actor.outputs(torch.from_numpy(data.observations)).chunk(2, -1)
    assert (torch.tanh(mean) - torch.from_numpy(data.intended)).abs().mean() < 0.08
    assert (log_std + 1.5).abs().mean() < 0.1
    assert reports[-1][0] == 600
    assert reports[-1][1]["cloning_loss"] < 0.1 * reports[0][1]["cloning_loss"]


def test_a_cloned_policy_knows_nothing_of_stages_it_never_saw() -> None:
    actor, data = Actor(43, 4, 2, SAC, torch.Generator().manual_seed(0)), linear_expert()
    clone(actor, data, OPTIONS.model_copy(update={"updates": 2}), torch.Generator(), lambda *_: None)
    observations = torch.from_numpy(data.observations).clone()
    observations[:, 41:] = torch.tensor([1.0, 0.0])
    assert torch.equal(actor.outputs(observations), torch.zeros(200, 8))


def test_cloning_loss_by_hand() -> None:
    outputs = torch.tensor([[0.0, 0.0, 0.0, 0.0, -1.5, -1.5, -1.5, -0.5]])
    targets = torch.tensor([[0.4, 0.0, 0.0, 0.0]])
    assert cloning_loss(outputs, targets, OPTIONS).item() == pytest.approx(0.16 / 4 + 1 / 4)


def test_critics_learn_the_policys_values_and_leave_the_actor_alone() -> None:
    """Every transition terminates with reward 2, so every value is 2."""
    generator = torch.Generator().manual_seed(0)
    actor = Actor(43, 4, 2, SAC, generator)
    critics, targets = Critics(43, 4, 2, SAC, generator), Critics(43, 4, 2, SAC, generator)
    options = SAC.model_copy(update={"critic_warmup_updates": OPTIONS.critic_updates})
    before = {name: value.clone() for name, value in actor.state_dict().items()}
    updater = Updater(actor, critics, targets, options, generator)
    data = linear_expert()
    evaluate_policy(updater, data, OPTIONS.critic_updates, lambda *_: None)
    with torch.no_grad():
        values = critics.values(torch.from_numpy(data.observations), torch.from_numpy(data.action))
    assert values.mean().item() == pytest.approx(2.0, abs=0.1)
    assert all(torch.equal(value, before[name]) for name, value in actor.state_dict().items())
    with pytest.raises(ValueError, match="critic_warmup_updates"):
        evaluate_policy(updater, data, 1, lambda *_: None)


def test_log_likelihood_is_the_log_prob_of_the_squashed_action() -> None:
    actor = Actor(43, 4, 2, SAC, torch.Generator().manual_seed(3))
    observations = torch.from_numpy(linear_expert(5).observations)
    before_tanh = torch.randn(5, 4, generator=torch.Generator().manual_seed(4))
    found = log_likelihood(actor, observations, before_tanh)
    with torch.no_grad():
        mean, log_std = actor.outputs(observations).chunk(2, -1)
    base = torch.distributions.Normal(mean, log_std.exp())
    squashed = torch.distributions.TransformedDistribution(base, torch.distributions.TanhTransform())
    expected = squashed.log_prob(torch.tanh(before_tanh)).sum(-1)
    assert torch.allclose(found, expected, atol=1e-3)


def test_principal_components_of_a_line() -> None:
    observations = torch.zeros(5, 43)
    observations[:, 2] = torch.arange(5.0)
    observations[:, 41] = 100 * torch.arange(5.0)  # the one-hot does not count
    coordinates = principal_components(observations)
    assert np.allclose(coordinates[:, 0], [-2, -1, 0, 1, 2])
    assert np.allclose(coordinates[:, 1], 0)
