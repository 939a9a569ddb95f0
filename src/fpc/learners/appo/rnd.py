"""Random network distillation: novelty of a picture as a reward (Burda et al. 2018).

A network of fixed random weights is predicted by a trained one; the error is large on pictures unlike
those seen before. Details follow the public PyTorch code that the paper builds on.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fpc.learners.appo.rnd_options import RNDOptions

_PICTURES_AT_ONCE = 256  # they fit the processor's cache, and sums of their squares float32's 24 bits


class RunningMoments(nn.Module):
    """Mean and variance of all that was seen, float64, merged batch by batch (Chan et al. 1979)."""

    mean: Tensor
    variance: Tensor
    count: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("variance", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.tensor(1.0e-4, dtype=torch.float64))

    @torch.no_grad()
    def update(self, values: Tensor) -> None:
        """Take in ``[N, *shape]``, bytes or floating point."""
        number = len(values)
        mean, variance = _moments_of_bytes(values) if values.dtype == torch.uint8 else _moments_of(values)
        total = self.count + number
        difference = mean - self.mean
        squares = self.variance * self.count + variance * number
        squares = squares + difference.square() * self.count * number / total
        self.mean.add_(difference * number / total)
        self.variance.copy_(squares / total)
        self.count.copy_(total)


class RandomNetworkDistillation(nn.Module):
    """Target, predictor and the normalisers of pictures and of intrinsic rewards.

    Args:
        options: sizes and the clip.
        screen_size: side of a picture.
        streams: environments whose intrinsic rewards are normalised together.
        seed: of the weights.
    """

    filtered: Tensor

    def __init__(self, options: RNDOptions, screen_size: int, streams: int, seed: int) -> None:
        super().__init__()
        self.options = options
        generator = torch.Generator().manual_seed(seed)
        width = _convolved(screen_size) ** 2 * options.channels[-1]
        self.target = nn.Sequential(*_convolutions(options), nn.Linear(width, options.outputs))
        self.predictor = nn.Sequential(
            *_convolutions(options),
            nn.Linear(width, options.hidden),
            nn.ReLU(),
            nn.Linear(options.hidden, options.hidden),
            nn.ReLU(),
            nn.Linear(options.hidden, options.outputs),
        )
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                nn.init.orthogonal_(module.weight, sqrt(2), generator=generator)
                nn.init.zeros_(module.get_parameter("bias"))
        self.target.requires_grad_(False)
        self.pictures = RunningMoments(screen_size, screen_size)
        self.rewards = RunningMoments()
        self.register_buffer("filtered", torch.zeros(streams, dtype=torch.float64))

    def normalised(self, pictures: Tensor) -> Tensor:
        """float32 ``[N, 1, size, size]`` of uint8 ``[N, size, size]``: centred, scaled, cut."""
        clip = self.options.observation_clip
        mean, deviation = self.pictures.mean.float(), self.pictures.variance.sqrt().float()
        values = pictures.float().sub_(mean).div_(deviation.clamp(min=1.0e-8))
        return values.clamp_(-clip, clip).unsqueeze(1)

    @torch.no_grad()
    def errors(self, pictures: Tensor) -> Tensor:
        """Half the squared error of the prediction ``[N]``: the intrinsic reward before normalisation."""
        found = []
        for part in torch.split(pictures, _PICTURES_AT_ONCE):
            given = self.normalised(part)
            found.append((self.predictor(given) - self.target(given)).square().sum(-1) / 2)
        return torch.cat(found)

    def loss(self, pictures: Tensor, chosen: Tensor) -> Tensor:
        """Mean squared error of the prediction over the ``chosen`` pictures, bool ``[N]``."""
        given = self.normalised(pictures[chosen])
        if not len(given):
            return given.sum()
        with torch.no_grad():
            target = self.target(given)
        return F.mse_loss(self.predictor(given), target)

    @torch.no_grad()
    def intrinsic_rewards(self, pictures: Tensor) -> Tensor:
        """Intrinsic rewards float32 ``[streams, T]`` of uint8 pictures ``[streams, T, size, size]``.

        They are divided by the running standard deviation of their discounted sums, which go on from
        batch to batch; then the pictures join the running mean and variance.

        Raises:
            ValueError: the number of streams is not that of the sums.
        """
        streams, steps = pictures.shape[:2]
        if streams != len(self.filtered):
            raise ValueError(f"{streams} sequences, but the normaliser has {len(self.filtered)}")
        flat = pictures.flatten(0, 1)
        errors = self.errors(flat).view(streams, steps)
        sums = []
        for step in range(steps):
            self.filtered.mul_(self.options.intrinsic_gamma).add_(errors[:, step])
            sums.append(self.filtered.clone())
        self.rewards.update(torch.cat(sums))
        self.pictures.update(flat)
        return errors / self.rewards.variance.sqrt().clamp(min=1.0e-8).float()


def advantages(rewards: Tensor, values: Tensor, continues: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Generalised advantage estimates ``[E, T]`` (Schulman et al. 2016).

    Args:
        rewards: ``[E, T]``.
        values: ``[E, T + 1]``.
        continues: ``[E, T]``; 0 where an episode ends with the step. All ones: non-episodic returns.
        gamma: discount.
        gae_lambda: lambda.
    """
    found = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    for step in range(rewards.shape[1] - 1, -1, -1):
        goes_on = continues[:, step]
        delta = rewards[:, step] + gamma * values[:, step + 1] * goes_on - values[:, step]
        following = delta + gamma * gae_lambda * goes_on * following
        found[:, step] = following
    return found


def _moments_of(values: Tensor) -> tuple[Tensor, Tensor]:
    values = values.double()
    return values.mean(0), values.var(0, unbiased=False)


def _moments_of_bytes(values: Tensor) -> tuple[Tensor, Tensor]:
    """As ``_moments_of``, from sums that are exact in float32: 256 * 255^2 < 2^24."""
    total = torch.zeros(values.shape[1:], dtype=torch.float64, device=values.device)
    squares = torch.zeros_like(total)
    for part in torch.split(values, _PICTURES_AT_ONCE):
        numbers = part.float()
        total += numbers.sum(0)
        squares += numbers.square_().sum(0)
    mean = total / len(values)
    return mean, squares / len(values) - mean.square()


def _convolutions(options: RNDOptions) -> list[nn.Module]:
    first, second, third = options.channels
    return [
        nn.Conv2d(1, first, 8, stride=4),
        nn.LeakyReLU(),
        nn.Conv2d(first, second, 4, stride=2),
        nn.LeakyReLU(),
        nn.Conv2d(second, third, 3, stride=1),
        nn.LeakyReLU(),
        nn.Flatten(),
    ]


def _convolved(size: int) -> int:
    """Side of the last convolution's picture."""
    for kernel, stride in ((8, 4), (4, 2), (3, 1)):
        size = (size - kernel) // stride + 1
    return size
