"""Random number streams per run, independent of the runs trained alongside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from fpc.core.seeds import named_generator


class Streams:
    """One random number generator per run, keyed by its seed, condition and purpose.

    Args:
        runs: (condition name, seed) of each of the K runs.
        purpose: distinguishes streams of the same run, such as ``finetune``.
    """

    def __init__(self, runs: Sequence[tuple[str, int]], purpose: str) -> None:
        self.generators = [named_generator(seed, f"{purpose} {condition}") for condition, seed in runs]

    def draw(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Uniform numbers in [0, 1), ``[K, *shape]``."""
        numbers = np.empty((len(self.generators), *shape))
        for generator, row in zip(self.generators, numbers, strict=True):
            generator.random(out=row)
        return numbers

    def skip(self, draws: int, shape: tuple[int, ...]) -> None:
        """Advance as if ``draw(shape)`` had been called ``draws`` times; exact, for resuming."""
        for generator in self.generators:
            generator.bit_generator.advance(draws * prod(shape))  # type: ignore[attr-defined]
