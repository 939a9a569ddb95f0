"""The one rule for seeds: a stream is identified by a few integers, which alone determine what is drawn.

The first integer is the run's seed; in training the second is its phase's word (:func:`stream_of`); the
others distinguish uses, environments and episodes. So pre-training and fine-tuning with the same seed share
no environment, while all methods fine-tuned with the same seed meet the same ones. The seeds of a stream are
words of numpy's ``SeedSequence`` over the stream's own words (:func:`words_of`), which no other stream has,
so an episode does not depend on the episodes before it, and streams that differ share no seed but by chance.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def phase_word(phase: str) -> int:
    """The integer, below 2^32, that stands for a phase in a stream: the start of its name's sha256."""
    return int.from_bytes(hashlib.sha256(phase.encode()).digest()[:4], "little")


def stream_of(seed: int, phase: str) -> tuple[int, int]:
    """The stream of a run, to be extended by its uses: ``seed_of(*stream_of(seed, phase), episode)``.

    Args:
        seed: the run's.
        phase: pretrain, collect, finetune, evaluate, or another name for training within one of these,
            such as ``critic``.
    """
    return seed, phase_word(phase)


def words_of(*stream: int) -> list[int]:
    """The stream as words below 2^32: two for each integer, the lower first, then the number of integers.

    ``SeedSequence`` splits integers into as many words as they need and treats missing words as 0, so that by
    itself it would take (3, 1), (3, 1, 0) and (2^32 + 3,) for the same. With a fixed width and a last word
    that is not 0, different streams have different words.

    Raises:
        ValueError: the stream is empty, or an integer is negative or not below 2^64.
    """
    if not stream or any(not 0 <= number < 2**64 for number in stream):
        raise ValueError(f"a stream consists of one or more integers from 0 to 2^64 - 1, not {stream}")
    return [word for number in stream for word in (number % 2**32, number >> 32)] + [len(stream)]


def _sequence(stream: tuple[int, ...]) -> np.random.SeedSequence:
    import numpy as np  # not at start-up: the command line imports this module

    return np.random.SeedSequence(words_of(*map(int, stream)))


def seeds_of(*stream: int, count: int) -> list[int]:
    """``count`` seeds of a stream, below 2^63."""
    return [int(word) >> 1 for word in _sequence(stream).generate_state(count, "uint64")]


def seed_of(*stream: int) -> int:
    """The first seed of a stream, below 2^63, e.g. of the episode (run's seed, environment, episode)."""
    return seeds_of(*stream, count=1)[0]


def short_seeds_of(*stream: int, count: int) -> list[int]:
    """``count`` seeds of a stream, below 2^32: for simulators that accept no larger ones."""
    return [int(word) for word in _sequence(stream).generate_state(count)]


def short_seed_of(*stream: int) -> int:
    """The first seed of a stream, below 2^32."""
    return short_seeds_of(*stream, count=1)[0]


def rng_of(*stream: int) -> np.random.Generator:
    """numpy generator of a stream."""
    import numpy as np

    return np.random.default_rng(_sequence(stream))


def generator_of(*stream: int) -> torch.Generator:
    """torch generator of a stream."""
    import torch

    return torch.Generator().manual_seed(seed_of(*stream))


def generators_of(*stream: int, uses: Sequence[str]) -> dict[str, torch.Generator]:
    """torch generators for several uses of one stream, by name; the order of ``uses`` matters."""
    import torch

    words = _sequence(stream).generate_state(len(uses), "uint64")
    return {
        use: torch.Generator().manual_seed(int(word) % 2**63) for use, word in zip(uses, words, strict=True)
    }


def named_generator(seed: int, name: str) -> np.random.Generator:
    """numpy generator of (seed, name), with PCG64 as its bit generator, which can be advanced."""
    import numpy as np

    digest = hashlib.sha256(name.encode()).digest()
    words = np.frombuffer(digest[:16], dtype=np.uint32).tolist()
    return np.random.Generator(np.random.PCG64([seed, *words]))
