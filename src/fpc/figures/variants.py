"""Experiments that are variants of one another, distinguished by numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Variants:
    """Names such as ``robotic_sequence_shift_0.1``.

    ``pattern`` captures the numbers in order of importance, ``text`` is a format string for them.
    """

    pattern: str
    text: str

    def values(self, experiment: str) -> tuple[float, ...]:
        """The numbers in an experiment's name.

        Raises:
            ValueError: the name does not fit the pattern.
        """
        return tuple(float(part) for part in self._parts(experiment))

    def label(self, experiment: str) -> str:
        """The variant's label."""
        return self.text.format(*self._parts(experiment))

    def ordered(self, experiments: Iterable[str]) -> list[str]:
        """Experiments sorted by their numbers."""
        return sorted(experiments, key=self.values)

    def _parts(self, experiment: str) -> tuple[str, ...]:
        found = re.search(self.pattern, experiment)
        if found is None:
            raise ValueError(f"experiment {experiment!r} is not named after the pattern {self.pattern!r}")
        return found.groups()
