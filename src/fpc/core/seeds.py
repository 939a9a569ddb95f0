"""The one rule for seeds: a stream is a few whole numbers, and what is drawn follows from them alone.

The first number is the run's seed; the others tell its uses, environments and episodes apart. The seeds
of a stream are words of numpy's ``SeedSequence`` over these numbers, so streams are independent, and an
episode does not depend on what was played before it. Published results fix the width of each word.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def seeds_of(*stream: int, count: int) -> list[int]:
    """``count`` seeds of a stream, below 2^63."""
    words = np.random.SeedSequence(stream).generate_state(count, np.uint64) >> np.uint64(1)
    return [int(word) for word in words]


def seed_of(*stream: int) -> int:
    """The seed of a stream, below 2^63, e.g. of the episode (run's seed, environment, episode)."""
    return seeds_of(*stream, count=1)[0]


def short_seeds_of(*stream: int, count: int) -> list[int]:
    """``count`` seeds of a stream, below 2^32: for simulators that take no larger one."""
    return [int(word) for word in np.random.SeedSequence(stream).generate_state(count)]


def short_seed_of(*stream: int) -> int:
    """The seed of a stream, below 2^32."""
    return short_seeds_of(*stream, count=1)[0]


def rng_of(*stream: int) -> np.random.Generator:
    """numpy's generator of a stream."""
    return np.random.default_rng(stream)


def generator_of(*stream: int) -> torch.Generator:
    """torch's generator of a stream."""
    import torch

    return torch.Generator().manual_seed(seed_of(*stream))


def generators_of(seed: int, uses: Sequence[str]) -> dict[str, torch.Generator]:
    """torch's generators of the uses of one seed, by name; their order counts."""
    import torch

    words = np.random.SeedSequence([seed]).generate_state(len(uses), np.uint64) & np.uint64(2**63 - 1)
    return {use: torch.Generator().manual_seed(int(word)) for use, word in zip(uses, words, strict=True)}


def named_generator(seed: int, name: str) -> np.random.Generator:
    """numpy's generator of (seed, name); its bit generator is PCG64, which can be advanced."""
    digest = hashlib.sha256(name.encode()).digest()
    words = np.frombuffer(digest[:16], dtype=np.uint32).tolist()
    return np.random.Generator(np.random.PCG64([seed, *words]))
