"""One update of Soft Actor-Critic against the papers' formulas."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch.distributions import Independent, Normal

from fpc.learners.sac.replay_buffer import Batch
from fpc.learners.sac.update import Updater, squashed_sample, target_values
from fpc.retention.interface import RetentionBatch, RetentionMethod
from tests.learners.sac_examples import (
    ACTIONS,
    STAGES,
    batch_of,
    networks,
    observations_of,
    options_of,
)

SHAPES = pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layer_norm": False, "activation": "relu"},
        {"layer_norm_activation": "same", "stage_in_trunk": False},
        {"activation": "tanh", "log_std_bounds": (-0.5, 0.5)},
    ],
)


def test_log_probability_of_a_squashed_gaussian_at_its_mean() -> None:
    """At noise 0 and mean 0: -log(s sqrt(2 pi)) a dimension, and no correction as tanh'(0) = 1."""
    deviation = 0.5
    outputs = torch.tensor([[0.0, 0.0, math.log(deviation), math.log(deviation)]])
    action, log_prob = squashed_sample(outputs, torch.zeros(1, 2))
    assert action.tolist() == [[0.0, 0.0]]
    assert log_prob.item() == pytest.approx(-2 * math.log(deviation * math.sqrt(2 * math.pi)), abs=1e-6)


def test_log_probability_of_a_squashed_gaussian_against_the_change_of_variables() -> None:
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(50, 4, generator=generator)
    noise = torch.randn(50, 2, generator=generator)
    action, log_prob = squashed_sample(outputs, noise)
    mean, log_std = outputs.chunk(2, -1)
    plain = Independent(Normal(mean, log_std.exp()), 1)
    before_tanh = mean + log_std.exp() * noise
    correction = (1 - torch.tanh(before_tanh.double()).square()).log().sum(-1)
    expected = plain.log_prob(before_tanh) - correction
    assert torch.allclose(action, torch.tanh(before_tanh))
    assert torch.allclose(log_prob.double(), expected, atol=1e-4)


def test_log_probability_stays_finite_far_in_the_tails() -> None:
    _, log_prob = squashed_sample(torch.tensor([[60.0, 0.0]]), torch.zeros(1, 1))
    assert log_prob.item() == pytest.approx(-0.5 * math.log(2 * math.pi) - 2 * math.log(2) + 120, rel=1e-5)


def test_target_values_end_with_a_terminal_transition() -> None:
    found = target_values(
        rewards=torch.tensor([1.0, 1.0]),
        terminals=torch.tensor([0.0, 1.0]),
        next_values=torch.tensor([[10.0, 10.0], [8.0, 12.0]]),
        next_log_probs=torch.tensor([2.0, 2.0]),
        temperature=torch.tensor([0.5, 0.5]),
        gamma=0.9,
    )
    assert found.tolist() == pytest.approx([1 + 0.9 * (8 - 0.5 * 2), 1.0])


@pytest.fixture
def double_precision() -> Iterator[None]:
    """Rounding is small enough that only equal formulas give nearly equal numbers."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def updater_of(method: RetentionMethod | None = None, **changes: Any) -> Updater:
    options = options_of(**changes)
    return Updater(*networks(options), options, torch.Generator().manual_seed(5), method)


def grads_of(updater: Updater) -> dict[str, torch.Tensor]:
    """All gradients of the newest update, by name."""
    named = [("actor." + name, value) for name, value in updater.actor.named_parameters()]
    named += [("critics." + name, value) for name, value in updater.critics.named_parameters()]
    assert all(value.grad is not None for _, value in named)
    return {name: value.grad.clone() for name, value in named if value.grad is not None}


def weights_of(updater: Updater) -> dict[str, torch.Tensor]:
    return {name: value for name, value in updater.tensors().items() if not name.startswith("adam")}


def assert_close(
    found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], **tolerance: float
) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(
            found[name], value, **tolerance, msg=lambda text, name=name: f"{name}: {text}"
        )


def textbook(updater: Updater, batch: Batch) -> dict[str, torch.Tensor]:
    """Gradients of the three losses as the papers write them."""
    actor, critics, options = updater.actor, updater.critics, updater.options
    noise = torch.randn(2 * len(batch.rewards), ACTIONS, generator=torch.Generator().manual_seed(5))
    drawn = []
    for seen, own_noise in zip((batch.observations, batch.next_observations), noise.chunk(2), strict=True):
        mean, log_std = actor.outputs(seen).chunk(2, -1)
        before_tanh = mean + log_std.exp() * own_noise
        log_probs = Independent(Normal(mean, log_std.exp()), 1).log_prob(before_tanh)
        correction = (1 - torch.tanh(before_tanh).square()).log().sum(-1)
        drawn.append((torch.tanh(before_tanh), log_probs - correction))
    (actions, log_probs), (next_actions, next_log_probs) = drawn
    alpha = critics.log_temperature.detach().exp()
    stage, next_stage = (
        batch.observations[:, -STAGES:].argmax(-1),
        batch.next_observations[:, -STAGES:].argmax(-1),
    )
    ahead = (
        updater.targets.values(batch.next_observations, next_actions).amin(0)
        - alpha[next_stage] * next_log_probs
    )
    wanted = (batch.rewards + options.gamma * (1 - batch.terminals) * ahead).detach()
    one, two = critics.values(batch.observations, batch.actions)
    losses = {
        "critics": 0.5 * (one - wanted).square().mean() + 0.5 * (two - wanted).square().mean(),
        "actor": (alpha[stage] * log_probs - critics.values(batch.observations, actions).amin(0)).mean(),
        "temperature": -(
            critics.log_temperature[stage] * (log_probs.detach() + options.target_entropy)
        ).mean(),
    }
    parameters = {
        "critics": {f"critics.{name}": value for name, value in critics.network_parameters().items()},
        "actor": {f"actor.{name}": value for name, value in actor.named_parameters()},
        "temperature": {"critics.log_temperature": critics.log_temperature},
    }
    found = {}
    for name, loss in losses.items():
        grads = torch.autograd.grad(loss, list(parameters[name].values()))
        found |= dict(zip(parameters[name], grads, strict=True))
    return found


@SHAPES
def test_the_update_differentiates_the_losses_of_the_papers(
    double_precision: None, changes: dict[str, Any]
) -> None:
    batch, updater = batch_of(8), updater_of(**changes)
    expected = textbook(updater, batch)
    updater.update(batch)
    assert_close(grads_of(updater), expected, rtol=1e-9, atol=1e-12)


def test_the_update_runs_on_another_device() -> None:
    """The meta device computes shapes only, and refuses tensors of the CPU beside its own."""
    options = options_of(max_grad_norm=1.0)
    actor, critics, targets = (network.to("meta") for network in networks(options))
    updater = Updater(actor, critics, targets, options, torch.Generator())
    updater.update(batch_of(8))
    assert {value.device.type for value in grads_of(updater).values()} == {"meta"}


class EveryWay(RetentionMethod):
    """A penalty through the batch's outputs, new outputs (twice) and the parameters themselves."""

    def penalty(self, batch: RetentionBatch) -> torch.Tensor:
        expert = [batch.student.outputs(observations_of(count, seed=count)) for count in (5, 6)]
        held = torch.stack([value.pow(3).sum() for value in batch.student.anchored_parameters().values()])
        return batch.outputs.square().mean() + expert[0].sin().sum() * expert[1].square().sum() + held.sum()


def test_a_penalty_reaches_the_parameters_every_way(double_precision: None) -> None:
    changes, batch, method = {"log_std_bounds": (-0.5, 0.5)}, batch_of(8), EveryWay(None)
    without = updater_of(**changes)
    without.update(batch)
    updater = updater_of(method, **changes)
    actor, _, _ = networks(updater.options)
    term = method.penalty(RetentionBatch(actor, batch.observations, actor.outputs(batch.observations), 0))
    added = torch.autograd.grad(term, list(actor.parameters()))
    updater.update(batch)
    expected = grads_of(without)
    for (name, _), grad in zip(actor.named_parameters(), added, strict=True):
        expected[f"actor.{name}"] += grad
    assert_close(grads_of(updater), expected, rtol=1e-9, atol=1e-12)
    assert updater.losses["penalty"].item() == pytest.approx(term.item())


def test_target_networks_follow_by_polyak() -> None:
    updater = updater_of(polyak=0.9)
    before = {name: value.clone() for name, value in updater.targets.state_dict().items()}
    updater.update(batch_of(8))
    for name, value in updater.critics.network_parameters().items():
        expected = 0.9 * before[name] + 0.1 * value
        assert torch.allclose(updater.targets.state_dict()[name], expected, atol=1e-6), name


def test_warm_up_moves_the_critics_alone() -> None:
    updater = updater_of(critic_warmup_updates=1)
    before = {name: value.clone() for name, value in weights_of(updater).items()}
    updater.update(batch_of(8))
    moved = {name for name, value in weights_of(updater).items() if not torch.equal(value, before[name])}
    assert {name.split(".")[0] for name in moved} == {"critics", "targets"}
    assert "critics.log_temperature" not in moved
    assert set(updater.losses) == {"critic_loss"}
    updater.update(batch_of(8))
    assert not torch.equal(updater.actor.head_weight, before["actor.head_weight"])
    assert set(updater.losses) == {"critic_loss", "actor_loss"}


def test_max_grad_norm_bounds_the_norm() -> None:
    updater = updater_of(max_grad_norm=1e-3)
    updater.update(batch_of(8))
    for network in ("actor.", "critics."):
        grads = [
            grad.flatten()
            for name, grad in grads_of(updater).items()
            if name.startswith(network) and name != "critics.log_temperature"
        ]
        assert torch.cat(grads).norm().item() == pytest.approx(1e-3, rel=1e-2)


def test_a_restored_updater_goes_on_to_the_same_bits() -> None:
    whole = updater_of()
    whole.update(batch_of(8))
    kept = {name: value.clone() for name, value in whole.tensors().items()}
    restored = updater_of()
    restored.restore(kept, 1)
    restored.generator.set_state(whole.generator.get_state())
    for updater in (whole, restored):
        updater.update(batch_of(8, seed=3))
    assert all(torch.equal(value, restored.tensors()[name]) for name, value in whole.tensors().items())
