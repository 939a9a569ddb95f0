"""The policy network against the base code's: shapes, forward pass and initialisation."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from fpc.domains.montezuma.config import NetworkOptions
from fpc.domains.montezuma.network import MontezumaNetwork

from .known_states import options

PAPER = NetworkOptions(channels=(32, 64, 64), hidden=(256, 448))


def network(chosen: NetworkOptions = PAPER, size: int = 84) -> MontezumaNetwork:
    return MontezumaNetwork.seeded(chosen, options(screen_size=size), seed=0)


def test_layers_have_the_sizes_of_the_base_code() -> None:
    shapes = {
        name: tuple(value.shape) for name, value in network().state_dict().items() if "bias" not in name
    }
    assert shapes == {
        "encoder.0.weight": (32, 4, 8, 8),
        "encoder.2.weight": (64, 32, 4, 4),
        "encoder.4.weight": (64, 64, 3, 3),
        "encoder.7.weight": (256, 7 * 7 * 64),
        "encoder.9.weight": (448, 256),
        "policy_hidden.weight": (448, 448),
        "policy.weight": (18, 448),
        "baseline_hidden.weight": (448, 448),
        "baseline.weight": (1, 448),
        "intrinsic_baseline.weight": (1, 448),
    }
    small = network(NetworkOptions(channels=(4, 4, 4), hidden=(8, 6)), 42)
    assert small.policy_hidden.weight.shape == small.baseline_hidden.weight.shape == (6, 6)


def test_the_forward_pass_is_that_of_the_base_code() -> None:
    net = network(NetworkOptions(channels=(4, 5, 6), hidden=(7, 8)))
    generator = torch.Generator().manual_seed(1)
    weights = {
        name: torch.randn(value.shape, generator=generator) / 10 for name, value in net.state_dict().items()
    }
    net.load_state_dict(weights)
    observations = torch.randint(256, (3, 4, 84, 84), dtype=torch.uint8, generator=generator)

    def linear(name: str, values: torch.Tensor) -> torch.Tensor:
        return values @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    hidden = observations / 255
    for index, stride in ((0, 4), (2, 2), (4, 1)):
        layer = f"encoder.{index}"
        hidden = F.conv2d(hidden, weights[f"{layer}.weight"], weights[f"{layer}.bias"], stride).clamp(min=0)
    features = linear("encoder.9", linear("encoder.7", hidden.flatten(1)).clamp(min=0)).clamp(min=0)
    logits = linear("policy", linear("policy_hidden", features).clamp(min=0))
    residual = linear("baseline_hidden", features).clamp(min=0) + features
    with torch.no_grad():
        found = net.encode(observations)
        extrinsic, intrinsic = net.values(found)
        assert torch.allclose(found, features, atol=1e-5)
        assert torch.allclose(net.logits(found), logits, atol=1e-5)
        assert torch.allclose(extrinsic, linear("baseline", residual)[:, 0], atol=1e-5)
        assert torch.allclose(intrinsic, linear("intrinsic_baseline", residual)[:, 0], atol=1e-5)


@pytest.mark.parametrize(
    ("name", "gain"),
    [
        ("encoder.0", 2**0.5),
        ("encoder.9", 2**0.5),
        ("policy_hidden", 0.01),
        ("policy", 0.01),
        ("baseline_hidden", 0.1),
        ("baseline", 0.01),
        ("intrinsic_baseline", 0.01),
    ],
)
def test_initial_weights_are_orthogonal_with_the_gains_of_the_base_code(name: str, gain: float) -> None:
    layer = network().get_submodule(name)
    weight = layer.get_parameter("weight").detach().flatten(1)
    singular = torch.linalg.svdvals(weight)  # all equal the gain if rows or columns are orthogonal
    assert singular.tolist() == pytest.approx([gain] * min(weight.shape), rel=1e-4)
    assert not layer.get_parameter("bias").any()
