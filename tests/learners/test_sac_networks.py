"""Networks and options of Soft Actor-Critic against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from fpc.learners.sac.networks import Actor, stage_of
from fpc.learners.sac.options import SACOptions
from tests.learners.sac_examples import ACTIONS, OBSERVATIONS, STAGES, networks, observations_of, options_of


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


def test_options_refuse_what_cannot_work() -> None:
    with pytest.raises(ValidationError, match="the first must be below the second"):
        SACOptions(log_std_bounds=(2, -2))
    with pytest.raises(ValidationError, match="lower the first"):
        SACOptions(batch_size=10, buffer_size=5)
