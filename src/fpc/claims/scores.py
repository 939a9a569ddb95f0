"""What a domain's methods are compared by, in one number per run; a domain declares it as ``BENCHMARK``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fpc.claims.claim import ClaimContext, Measurement, TablesByExperiment
from fpc.claims.measures import Runs
from fpc.core.statistics import Array

Course = Callable[[TablesByExperiment, ClaimContext, str], Runs]  # of a method
Kept = Callable[[TablesByExperiment, ClaimContext, str], Measurement]  # of a method

VANILLA = "vanilla"
ROUNDING = 1e-9  # of the threshold: five successes in ten reach 0.5, however they are averaged


def last(runs: Runs) -> Array:
    """Values at the last milestone, ``[seeds]``."""
    return runs.last


def average(runs: Runs) -> Array:
    """Mean height of the curve over training, ``[seeds]``."""
    return runs.average


@dataclass(frozen=True)
class Benchmark:
    """The measures of a domain's benchmark; each may raise ``NotTestable`` with the reason.

    They are the measures that the domain's claims and figures use, so that pages do not disagree.
    """

    experiment: str  # whose runs are compared: the domain's main one
    score: str  # what the score is, in words
    course: Course  # the score at each milestone
    take: Callable[[Runs], Array]  # the score at the end
    kept: str  # what "Far kept" is, in words
    far_kept: Kept  # share of what pi* can do on Far; 1: all of it
    solved: str  # when the whole task counts as solved, in words
    threshold: float
    progress: Course | None = None  # what must reach the threshold; None: ``course``

    @property
    def rising(self) -> Course:
        """What must reach the threshold."""
        return self.progress or self.course


def solved_at(runs: Runs, threshold: float) -> int | None:
    """First milestone at which the mean over seeds reaches a threshold; None: at none.

    Args:
        runs: values ``[seeds, steps]``.
        threshold: least mean.
    """
    reached = runs.values.mean(axis=0) >= threshold - ROUNDING * abs(threshold)
    return int(runs.steps[reached.argmax()]) if reached.any() else None
