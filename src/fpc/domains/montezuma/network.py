"""The policy: three convolutions, two layers and three heads (``model.py`` of the public PPO-RND code)."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fpc.core.device import Device
from fpc.domains.montezuma.config import EnvironmentOptions, NetworkOptions
from fpc.domains.montezuma.emulator import ACTIONS

_KERNELS = ((8, 4), (4, 2), (3, 1))  # size and stride
_GAIN, _HEAD_GAIN, _VALUE_HIDDEN_GAIN = sqrt(2), 0.01, 0.1  # of orthogonal initialisation


class MontezumaNetwork(nn.Module):
    """Policy, extrinsic and intrinsic values on shared features ``[N, H]``, H the last of ``hidden``.

    As in the base code, the policy head has a hidden layer of H units, and both value heads read the features
    plus the output of another such layer.
    """

    def __init__(self, options: NetworkOptions, environment: EnvironmentOptions) -> None:
        super().__init__()
        self.shape = (environment.frame_stack, environment.screen_size, environment.screen_size)
        layers: list[nn.Module] = []
        channels, side = environment.frame_stack, environment.screen_size
        for wide, (kernel, stride) in zip(options.channels, _KERNELS, strict=True):
            layers += [nn.Conv2d(channels, wide, kernel, stride), nn.ReLU()]
            channels, side = wide, (side - kernel) // stride + 1
        layers.append(nn.Flatten())
        width = channels * side * side
        for wide in options.hidden:
            layers += [nn.Linear(width, wide), nn.ReLU()]
            width = wide
        self.encoder = nn.Sequential(*layers)
        self.policy_hidden = nn.Linear(width, width)
        self.policy = nn.Linear(width, ACTIONS)
        self.baseline_hidden = nn.Linear(width, width)
        self.baseline = nn.Linear(width, 1)
        self.intrinsic_baseline = nn.Linear(width, 1)

    @classmethod
    def seeded(cls, options: NetworkOptions, environment: EnvironmentOptions, seed: int) -> Self:
        """Initialise from ``seed`` alone: orthogonal weights, zero biases.

        The gain is sqrt(2) in the encoder, 0.01 in both layers of the policy head and in the value heads, and
        0.1 in the value heads' shared layer (base code).
        """
        network = cls(options, environment)
        generator = torch.Generator().manual_seed(seed)
        heads: tuple[nn.Module, ...] = (
            network.policy_hidden,
            network.policy,
            network.baseline,
            network.intrinsic_baseline,
        )
        gains = dict.fromkeys(heads, _HEAD_GAIN) | {network.baseline_hidden: _VALUE_HIDDEN_GAIN}
        for module in network.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.orthogonal_(module.weight, gains.get(module, _GAIN), generator=generator)
                nn.init.zeros_(module.get_parameter("bias"))
        return network

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.policy.weight.device

    def encode(self, observations: Tensor) -> Tensor:
        """Features float32 ``[N, H]`` of uint8 ``[N, stack, size, size]``, also flattened ``[N, D]``."""
        frames = observations.reshape(-1, *self.shape)
        # Scaling the first layer's weights avoids another copy of the frames and takes a tenth of the time.
        first = self.encoder[0]
        assert isinstance(first, nn.Conv2d)
        weight = first.weight / 255
        if torch.is_grad_enabled():  # halves the backward pass; later layers keep the layout
            weight = weight.contiguous(memory_format=torch.channels_last)
        hidden = F.conv2d(frames.float(), weight, first.bias, first.stride)
        features: Tensor = self.encoder[1:](hidden)
        return features

    def logits(self, features: Tensor) -> Tensor:
        """Logits of the actions, float32 ``[N, 18]``, of features ``[N, H]``."""
        logits: Tensor = self.policy(F.relu(self.policy_hidden(features)))
        return logits

    def values(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Extrinsic and intrinsic values, float32 ``[N]`` each, of features ``[N, H]``."""
        hidden = F.relu(self.baseline_hidden(features)) + features
        return self.baseline(hidden).squeeze(-1), self.intrinsic_baseline(hidden).squeeze(-1)


def network_with(
    options: NetworkOptions,
    environment: EnvironmentOptions,
    weights: Mapping[str, Tensor],
    device: Device = "cpu",
) -> MontezumaNetwork:
    """A network with given weights on ``device``, for playing."""
    network = MontezumaNetwork(options, environment)
    network.load_state_dict(weights)
    return network.requires_grad_(False).eval().to(device)
