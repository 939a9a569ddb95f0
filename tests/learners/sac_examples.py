"""Small networks and batches for tests of Soft Actor-Critic."""

from __future__ import annotations

from typing import Any

import torch

from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.replay_buffer import Batch

STAGES, OBSERVATIONS, ACTIONS = 3, 7, 2


def options_of(**changes: Any) -> SACOptions:
    return SACOptions(**{"hidden_sizes": (16, 24), "batch_size": 8, "buffer_size": 64, **changes})


def networks(options: SACOptions, seed: int = 0) -> tuple[Actor, Critics, Critics]:
    generator = torch.Generator().manual_seed(seed)
    shape = (OBSERVATIONS, ACTIONS, STAGES, options)
    return Actor(*shape, generator), Critics(*shape, generator), Critics(*shape, generator)


def observations_of(count: int, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(count, OBSERVATIONS, generator=generator)
    found[:, -STAGES:] = torch.eye(STAGES)[torch.randint(STAGES, (count,), generator=generator)]
    return found


def batch_of(count: int, seed: int = 1) -> Batch:
    generator = torch.Generator().manual_seed(seed + 1)
    both = observations_of(2 * count, seed)
    return Batch(
        both[:count],
        torch.rand(count, ACTIONS, generator=generator) * 2 - 1,
        torch.randn(count, generator=generator),
        both[count:],
        (torch.rand(count, generator=generator) < 0.3).to(both.dtype),
    )
