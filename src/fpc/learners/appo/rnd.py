"""Random network distillation: rewarding the novelty of frames (Burda et al. 2018).

A predictor learns the outputs of a target with fixed random weights; its error is large on frames unlike
those seen before. Details follow the public PyTorch code on which the paper builds.
"""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from fpc.learners.appo.rnd_options import RNDOptions

_FRAMES_AT_ONCE = 256  # fits the CPU cache, and sums of squares stay exact in float32's 24 bits


class RunningMoments(nn.Module):
    """Running mean and variance in float64, merged batch by batch (Chan et al. 1979)."""

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
        """Include values ``[N, *shape]``, uint8 or floating point, from any device."""
        number, values = len(values), values.to(self.mean.device)
        mean, variance = _moments_of_bytes(values) if values.dtype == torch.uint8 else _moments_of(values)
        total = self.count + number
        difference = mean - self.mean
        squares = self.variance * self.count + variance * number
        squares = squares + difference.square() * self.count * number / total
        self.mean.add_(difference * number / total)
        self.variance.copy_(squares / total)
        self.count.copy_(total)


class RandomNetworkDistillation(nn.Module):
    """Target, predictor, and normalisers of frames and intrinsic rewards.

    Args:
        options: layer sizes, discount and clipping.
        screen_size: side length of a frame in pixels.
        streams: number of environments, whose intrinsic rewards share one normaliser.
        seed: seed of the initial weights.
    """

    discounted_sums: Tensor  # of intrinsic rewards so far, [streams]

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
        self.frames = RunningMoments(screen_size, screen_size)
        self.rewards = RunningMoments()
        self.register_buffer("discounted_sums", torch.zeros(streams, dtype=torch.float64))

    def normalised(self, frames: Tensor) -> Tensor:
        """Centre, scale and clip uint8 frames ``[N, size, size]`` to float32 ``[N, 1, size, size]``."""
        clip = self.options.observation_clip
        mean, deviation = self.frames.mean.float(), self.frames.variance.sqrt().float()
        values = frames.float().sub_(mean).div_(deviation.clamp(min=1.0e-8))
        return values.clamp_(-clip, clip).unsqueeze(1)

    @torch.no_grad()
    def errors(self, frames: Tensor) -> Tensor:
        """Half the squared prediction error ``[N]``: the intrinsic reward before normalisation."""
        errors = []
        for part in torch.split(frames, _FRAMES_AT_ONCE):
            inputs = self.normalised(part)
            errors.append((self.predictor(inputs) - self.target(inputs)).square().sum(-1) / 2)
        return torch.cat(errors)

    def loss(self, frames: Tensor, selected: Tensor) -> Tensor:
        """Mean squared prediction error over the ``selected`` frames, bool ``[N]``."""
        inputs = self.normalised(frames[selected])
        if not len(inputs):
            return inputs.sum()
        with torch.no_grad():
            target = self.target(inputs)
        return F.mse_loss(self.predictor(inputs), target)

    @torch.no_grad()
    def intrinsic_rewards(self, frames: Tensor) -> Tensor:
        """Intrinsic rewards, float32 ``[streams, T]``, of uint8 frames ``[streams, T, size, size]``.

        They are divided by the running standard deviation of their discounted sums, which carry over from
        batch to batch. The frames are then included in their running mean and variance.

        Raises:
            ValueError: the number of streams differs from the one given at construction.
        """
        streams, steps = frames.shape[:2]
        if streams != len(self.discounted_sums):
            raise ValueError(f"{streams} sequences, but the normaliser has {len(self.discounted_sums)}")
        flat = frames.flatten(0, 1)
        errors = self.errors(flat).view(streams, steps)
        sums = []
        for step in range(steps):
            self.discounted_sums.mul_(self.options.intrinsic_gamma).add_(errors[:, step])
            sums.append(self.discounted_sums.clone())
        self.rewards.update(torch.cat(sums))
        self.frames.update(flat)
        return errors / self.rewards.variance.sqrt().clamp(min=1.0e-8).float()


def advantages(rewards: Tensor, values: Tensor, continues: Tensor, gamma: float, gae_lambda: float) -> Tensor:
    """Generalised advantage estimates ``[E, T]`` (Schulman et al. 2016).

    Args:
        rewards: ``[E, T]``.
        values: ``[E, T + 1]``.
        continues: ``[E, T]``; 0 where an episode ends with that step. All ones gives non-episodic returns.
        gamma: discount factor.
        gae_lambda: GAE's lambda.
    """
    estimates = torch.zeros_like(rewards)
    following = torch.zeros_like(rewards[:, 0])
    for step in range(rewards.shape[1] - 1, -1, -1):
        not_done = continues[:, step]
        delta = rewards[:, step] + gamma * values[:, step + 1] * not_done - values[:, step]
        following = delta + gamma * gae_lambda * not_done * following
        estimates[:, step] = following
    return estimates


def _moments_of(values: Tensor) -> tuple[Tensor, Tensor]:
    values = values.double()
    return values.mean(0), values.var(0, unbiased=False)


def _moments_of_bytes(values: Tensor) -> tuple[Tensor, Tensor]:
    """Same as ``_moments_of``, from sums that are exact in float32: 256 * 255^2 < 2^24."""
    total = torch.zeros(values.shape[1:], dtype=torch.float64, device=values.device)
    squares = torch.zeros_like(total)
    for part in torch.split(values, _FRAMES_AT_ONCE):
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
    """Side length of the last convolution's output."""
    for kernel, stride in ((8, 4), (4, 2), (3, 1)):
        size = (size - kernel) // stride + 1
    return size
