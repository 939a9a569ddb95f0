"""The one rule for seeds: a stream is identified by a few integers, which alone determine what is drawn.

The first integer is the run's seed; the others distinguish its uses, environments and episodes. The seeds
of a stream are words of numpy's ``SeedSequence`` over these integers, so streams are independent, and an
episode does not depend on the episodes before it. The width of each word is fixed by published results.
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
    """The first seed of a stream, below 2^63, e.g. of the episode (run's seed, environment, episode)."""
    return seeds_of(*stream, count=1)[0]


def short_seeds_of(*stream: int, count: int) -> list[int]:
    """``count`` seeds of a stream, below 2^32: for simulators that accept no larger ones."""
    return [int(word) for word in np.random.SeedSequence(stream).generate_state(count)]


def short_seed_of(*stream: int) -> int:
    """The first seed of a stream, below 2^32."""
    return short_seeds_of(*stream, count=1)[0]


def rng_of(*stream: int) -> np.random.Generator:
    """numpy generator of a stream."""
    return np.random.default_rng(stream)


def generator_of(*stream: int) -> torch.Generator:
    """torch generator of a stream."""
    import torch

    return torch.Generator().manual_seed(seed_of(*stream))


def generators_of(seed: int, uses: Sequence[str]) -> dict[str, torch.Generator]:
    """torch generators for several uses of one seed, by name; the order of ``uses`` matters."""
    import torch

    words = np.random.SeedSequence([seed]).generate_state(len(uses), np.uint64) & np.uint64(2**63 - 1)
    return {use: torch.Generator().manual_seed(int(word)) for use, word in zip(uses, words, strict=True)}


def named_generator(seed: int, name: str) -> np.random.Generator:
    """numpy generator of (seed, name), with PCG64 as its bit generator, which can be advanced."""
    digest = hashlib.sha256(name.encode()).digest()
    words = np.frombuffer(digest[:16], dtype=np.uint32).tolist()
    return np.random.Generator(np.random.PCG64([seed, *words]))
