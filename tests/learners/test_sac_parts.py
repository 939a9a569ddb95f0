"""The parts of Soft Actor-Critic against values worked out by hand, and gradients against autograd."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.distributions import Independent, Normal

from fpc.learners.sac.networks import Actor, Critics, stage_of
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.replay_buffer import Batch
from fpc.learners.sac.update import Updater, squashed_sample, target_values, temperature_gradient
from fpc.retention.interface import RetentionBatch, RetentionMethod

STAGES, OBSERVATIONS, ACTIONS = 3, 7, 2


def options_of(**changes: Any) -> SACOptions:
    return SACOptions(**{"hidden_sizes": (16, 24), "batch_size": 8, "buffer_size": 64, **changes})


def networks(options: SACOptions, seed: int = 0) -> tuple[Actor, Critics, Critics]:
    chance = torch.Generator().manual_seed(seed)
    shape = (OBSERVATIONS, ACTIONS, STAGES, options)
    return Actor(*shape, chance), Critics(*shape, chance), Critics(*shape, chance)


def observations_of(count: int, seed: int = 1) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    found = torch.randn(count, OBSERVATIONS, generator=chance)
    found[:, -STAGES:] = torch.eye(STAGES)[torch.randint(STAGES, (count,), generator=chance)]
    return found


def batch_of(count: int) -> Batch:
    chance = torch.Generator().manual_seed(2)
    both = observations_of(2 * count)
    return Batch(
        both[:count],
        torch.rand(count, ACTIONS, generator=chance) * 2 - 1,
        torch.randn(count, generator=chance),
        both[count:],
        (torch.rand(count, generator=chance) < 0.3).float(),
    )


def test_density_of_a_squashed_gaussian_at_its_mean() -> None:
    """At noise 0 and mean 0: -log(s sqrt(2 pi)) a dimension, and no correction as tanh'(0) = 1."""
    deviation = 0.5
    outputs = torch.tensor([[0.0, 0.0, math.log(deviation), math.log(deviation)]])
    action, density = squashed_sample(outputs, torch.zeros(1, 2))
    assert action.tolist() == [[0.0, 0.0]]
    assert density.item() == pytest.approx(-2 * math.log(deviation * math.sqrt(2 * math.pi)), abs=1e-6)


def test_density_of_a_squashed_gaussian_against_the_change_of_variables() -> None:
    chance = torch.Generator().manual_seed(0)
    outputs = torch.randn(50, 4, generator=chance)
    noise = torch.randn(50, 2, generator=chance)
    action, density = squashed_sample(outputs, noise)
    mean, log_std = outputs.chunk(2, -1)
    plain = Independent(Normal(mean, log_std.exp()), 1)
    before = mean + log_std.exp() * noise
    correction = (1 - torch.tanh(before.double()).square()).log().sum(-1)
    expected = plain.log_prob(before) - correction
    assert torch.allclose(action, torch.tanh(before))
    assert torch.allclose(density.double(), expected, atol=1e-4)


def test_density_stays_finite_far_in_the_tails() -> None:
    _, density = squashed_sample(torch.tensor([[60.0, 0.0]]), torch.zeros(1, 1))
    assert density.item() == pytest.approx(-0.5 * math.log(2 * math.pi) - 2 * math.log(2) + 120, rel=1e-5)


def test_target_values_end_with_a_terminal_transition() -> None:
    found = target_values(
        rewards=torch.tensor([1.0, 1.0]),
        terminals=torch.tensor([0.0, 1.0]),
        values=torch.tensor([[10.0, 10.0], [8.0, 12.0]]),
        densities=torch.tensor([2.0, 2.0]),
        temperature=torch.tensor([0.5, 0.5]),
        discount=0.9,
    )
    assert found.tolist() == pytest.approx([1 + 0.9 * (8 - 0.5 * 2), 1.0])


def test_temperature_gradient_by_hand() -> None:
    """Target entropy -2: densities 1 and 5 in stage 0 mean an entropy too low, 2 in stage 2 is right."""
    densities, stage = torch.tensor([1.0, 5.0, 2.0, 2.0]), torch.tensor([0, 0, 2, 2])
    found = temperature_gradient(densities, stage, 3, target_entropy=-2.0)
    assert found.tolist() == pytest.approx([-((1 - 2) + (5 - 2)) / 4, 0.0, 0.0])


def test_the_one_hot_chooses_the_head() -> None:
    actor, critics, _ = networks(options_of(stage_in_trunk=False))
    with torch.no_grad():
        actor.head_weight.zero_()
        actor.head_bias.copy_(torch.arange(STAGES * 2 * ACTIONS).view(STAGES, -1) / 10)
        critics.head_weight.zero_()
        critics.head_bias.copy_(torch.tensor([[[1.0, 2.0, 3.0]], [[10.0, 20.0, 30.0]]]))
    observations = torch.zeros(2, OBSERVATIONS)
    observations[0, -1] = 1  # stage 2
    observations[1, -3] = 1  # stage 0
    assert stage_of(observations, STAGES).tolist() == [2, 0]
    assert torch.allclose(actor.outputs(observations)[0], torch.tensor([0.8, 0.9, 1.0, 1.1]))
    assert torch.allclose(actor.outputs(observations)[1], torch.tensor([0.0, 0.1, 0.2, 0.3]))
    assert critics.values(observations, torch.zeros(2, ACTIONS)).tolist() == [[3.0, 1.0], [30.0, 10.0]]


def test_outputs_have_leading_dimensions_and_a_fast_path_for_one_observation() -> None:
    actor, _, _ = networks(options_of())
    observations = observations_of(6)
    outputs = actor.outputs(observations)
    assert torch.allclose(actor.outputs(observations.view(2, 3, -1)), outputs.view(2, 3, -1), atol=1e-6)
    for row, expected in zip(observations.numpy(), torch.tanh(outputs[:, :ACTIONS]), strict=True):
        assert actor.act(row, deterministic=True) == pytest.approx(expected.detach().numpy(), abs=1e-6)
    drawn = [actor.act(observations[0].numpy(), generator=torch.Generator().manual_seed(3)) for _ in range(2)]
    assert np.array_equal(*drawn)
    assert not np.array_equal(drawn[0], actor.act(observations[0].numpy(), deterministic=True))


def test_log_standard_deviations_are_clamped() -> None:
    actor, _, _ = networks(options_of(log_std_bounds=(-0.01, 0.01)))
    log_std = actor.outputs(observations_of(50))[:, ACTIONS:]
    assert log_std.min().item() == pytest.approx(-0.01)
    assert log_std.max().item() == pytest.approx(0.01)


def test_information_by_hand() -> None:
    actor, _, _ = networks(options_of())
    outputs = torch.tensor([[0.3, -0.4, math.log(0.5), math.log(1e-3)]])
    variances = (0.25, 1e-6)
    expected = [1 / (v + 1e-6) for v in variances] + [2 * v / (v + 1e-6) for v in variances]
    assert actor.information(outputs)[0].tolist() == pytest.approx(expected, rel=1e-4)


def test_layer_norm_stands_between_the_first_linear_part_and_its_tanh() -> None:
    actor, critics, _ = networks(options_of())
    observations, actions = observations_of(5), torch.zeros(5, ACTIONS)

    def normalised(linear: torch.Tensor) -> torch.Tensor:
        centred = linear - linear.mean(-1, keepdim=True)
        return torch.tanh(centred / (centred.square().mean(-1, keepdim=True) + 1e-3).sqrt())

    with torch.no_grad():
        linear = observations @ actor.linears()[0].weight.T
        assert torch.allclose(actor.layers(observations)[0], normalised(linear), atol=1e-5)
        linear = torch.cat((observations, actions), -1) @ critics.weights[0]
        assert torch.allclose(critics.layers(observations, actions)[0], normalised(linear), atol=1e-5)
    assert [layer.shape[-1] for layer in actor.layers(observations)] == [16, 24]
    assert not any(
        name.startswith("layer_norm") for name in Actor(7, 2, 3, options_of(layer_norm=False)).state_dict()
    )


def test_heads_are_not_anchored() -> None:
    actor, _, _ = networks(options_of())
    names = set(actor.anchored_parameters())
    assert names == {
        f"{part}.{kind}" for part in ("trunk.0", "trunk.1", "layer_norm") for kind in ("weight", "bias")
    }


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layer_norm": False, "activation": "relu"},
        {"layer_norm_activation": "same", "stage_in_trunk": False},
        {"activation": "tanh", "log_std_bounds": (-0.5, 0.5)},
    ],
)
def test_gradients_by_hand_equal_those_of_autograd(changes: dict[str, Any]) -> None:
    options, batch = options_of(**changes), batch_of(8)
    actor, critics, targets = networks(options)
    stage, following = stage_of(batch.observations, STAGES), stage_of(batch.next_observations, STAGES)
    chance = torch.Generator().manual_seed(5)
    noise = torch.randn(16, ACTIONS, generator=torch.Generator().manual_seed(5))
    both = torch.cat((batch.observations, batch.next_observations))
    actions, densities = squashed_sample(actor.outputs(both), noise)
    temperature = critics.log_temperature.exp()
    wanted = target_values(
        batch.rewards,
        batch.terminals,
        targets.values(batch.next_observations, actions[8:]),
        densities[8:],
        temperature[following],
        options.discount,
    ).detach()
    values = critics.values(batch.observations, batch.actions)
    critic_loss = 0.5 * (values - wanted).square().mean(-1).sum()
    own_values = critics.values(batch.observations, actions[:8]).amin(0)
    actor_loss = (temperature.detach()[stage] * densities[:8] - own_values).mean()
    entropy_gap = densities[:8].detach() + options.target_entropy
    temperature_loss = -(critics.log_temperature[stage] * entropy_gap).mean()
    parameters = list(critics.network_parameters().values())
    expected = {
        "critics": torch.autograd.grad(critic_loss, parameters),
        "actor": torch.autograd.grad(actor_loss, list(actor.parameters())),
        "temperature": torch.autograd.grad(temperature_loss, [critics.log_temperature]),
    }
    updater = Updater(actor, critics, targets, options, chance)
    updater.update(batch)
    found = {
        "critics": parameters,
        "actor": list(actor.parameters()),
        "temperature": [critics.log_temperature],
    }
    for name, gradients in expected.items():
        for parameter, gradient in zip(found[name], gradients, strict=True):
            assert parameter.grad is not None
            assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-6), name
    assert updater.losses["critic_loss"].item() == pytest.approx(critic_loss.item(), rel=1e-4)
    assert updater.losses["actor_loss"].item() == pytest.approx(actor_loss.item(), rel=1e-4)


class EveryWay(RetentionMethod):
    """A penalty through the batch's outputs, new outputs (twice) and the parameters themselves."""

    def penalty(self, batch: RetentionBatch) -> torch.Tensor:
        expert = [batch.student.outputs(observations_of(count, seed=count)) for count in (5, 6)]
        held = torch.stack([value.pow(3).sum() for value in batch.student.anchored_parameters().values()])
        return batch.outputs.square().mean() + expert[0].sin().sum() * expert[1].square().sum() + held.sum()


def test_a_penalty_reaches_the_parameters_every_way() -> None:
    options, batch, method = options_of(log_std_bounds=(-0.5, 0.5)), batch_of(8), EveryWay(None)
    plain = Updater(*networks(options), options, torch.Generator())
    plain.update(batch)
    actor, critics, targets = networks(options)
    outputs = actor.outputs(batch.observations)
    term = method.penalty(RetentionBatch(actor, batch.observations, outputs, 0))
    expected = torch.autograd.grad(term, list(actor.parameters()))
    updater = Updater(actor, critics, targets, options, torch.Generator(), method)
    updater.update(batch)
    for with_term, without, added in zip(actor.parameters(), plain.actor.parameters(), expected, strict=True):
        assert with_term.grad is not None
        assert without.grad is not None
        assert torch.allclose(with_term.grad, without.grad + added, rtol=1e-3, atol=1e-4)
    assert updater.losses["penalty"].item() == pytest.approx(term.item(), rel=1e-4)


def test_target_networks_follow_by_polyak() -> None:
    options = options_of(polyak=0.9)
    actor, critics, targets = networks(options)
    before = {name: value.clone() for name, value in targets.state_dict().items()}
    Updater(actor, critics, targets, options, torch.Generator()).update(batch_of(8))
    for name in critics.network_parameters():
        expected = 0.9 * before[name] + 0.1 * critics.state_dict()[name]
        assert torch.allclose(targets.state_dict()[name], expected, atol=1e-6), name


def test_warm_up_moves_the_critics_alone() -> None:
    options = options_of(critic_warmup_updates=1)
    actor, critics, targets = networks(options)
    before = {name: value.clone() for name, value in actor.state_dict().items()}
    old_critics = critics.weights[0].clone()
    updater = Updater(actor, critics, targets, options, torch.Generator())
    updater.update(batch_of(8))
    assert all(torch.equal(value, before[name]) for name, value in actor.state_dict().items())
    assert torch.equal(critics.log_temperature.exp(), torch.full((STAGES,), options.initial_temperature))
    assert not torch.equal(critics.weights[0], old_critics)
    updater.update(batch_of(8))
    assert not torch.equal(actor.head_weight, before["head_weight"])


def test_gradient_clip_bounds_the_norm() -> None:
    options = options_of(gradient_clip=1e-3)
    actor, critics, targets = networks(options)
    updater = Updater(actor, critics, targets, options, torch.Generator())
    updater.update(batch_of(8))
    for flat in (updater.flat_actor, updater.flat_critics):
        assert flat.grad is not None
        assert flat.grad.norm().item() == pytest.approx(1e-3, rel=1e-2)


def test_options_refuse_what_cannot_work() -> None:
    with pytest.raises(ValidationError, match="the first must be below the second"):
        SACOptions(log_std_bounds=(2, -2))
    with pytest.raises(ValidationError, match="lower the first"):
        SACOptions(batch_size=10, buffer_size=5)
