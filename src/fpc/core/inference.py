"""Tests that suit few seeds, the correction for many claims, and the number of seeds that a claim needs.

Pure functions of numpy arrays. A percentile bootstrap of three or five seeds covers the truth less often than
its level says (``tests/core/test_inference.py`` simulates it), so verdicts ask for a t-test as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from fpc.core.statistics import Array

MOST_SEEDS = 10_000  # beyond this a claim is out of reach
RATES = 10_001  # of success, over which a probability is maximised


def one_sided_p(first: ArrayLike, second: ArrayLike | None = None, *, bound: float, greater: bool) -> float:
    """p-value of "the mean lies beyond ``bound``", against "at the bound or on its other side".

    Student's t-test of one sample, or Welch's t-test of the difference of two independent samples.
    If the samples do not vary at all, the t statistic is infinite: the p-value is 0 where the mean lies
    beyond the bound, and 1 otherwise.

    Args:
        first: ``[n]``, one value per seed.
        second: ``[m]``, subtracted; None for one sample.
        bound: value of the mean, or of the difference of means, under the null hypothesis.
        greater: whether the claim says "above ``bound``"; otherwise "below".

    Raises:
        ValueError: a sample has fewer than two values, or a value is not finite.
    """
    one = _sample(first)
    two = None if second is None else _sample(second)
    effect = one.mean() - (0.0 if two is None else two.mean()) - bound
    if _constant(one) and (two is None or _constant(two)):
        return 0.0 if (effect > 0.0 if greater else effect < 0.0) else 1.0
    side: Literal["greater", "less"] = "greater" if greater else "less"
    if two is None:
        return float(stats.ttest_1samp(one, bound, alternative=side).pvalue)
    return float(stats.ttest_ind(one - bound, two, equal_var=False, alternative=side).pvalue)


def binary_p(successes: int, count: int, *, bound: float, greater: bool) -> float:
    """p-value of "the success rate lies beyond ``bound``" for seeds that succeed or fail as a whole.

    The exact binomial test; a t-test takes such seeds for more certain than they are.
    """
    side: Literal["greater", "less"] = "greater" if greater else "less"
    return float(stats.binomtest(successes, count, bound, alternative=side).pvalue)


def unseen_outcome_p(mean: float, count: int, bound: float, worst: float) -> float:
    """p-value of "the mean lies beyond ``bound``" for ``count`` values that are all about ``mean``.

    Equal values have no spread, and a t-test takes that for certainty. But seeds that succeed or fail as a
    whole may have the bound as their mean and all look alike by chance. The worst case: each takes the worst
    possible value with the probability q for which the mean is the bound, ``q worst + (1 - q) mean = bound``;
    then all look alike with probability ``(1 - q)^count``.

    Args:
        mean: of the values; beyond the bound.
        count: number of values.
        bound: mean under the null hypothesis.
        worst: the possible value farthest on the bound's other side.
    """
    if (mean - bound) * (bound - worst) <= 0.0:
        return 1.0
    return float(((bound - worst) / (mean - worst)) ** count)


def unseen_difference_p(
    succeeds: bool, count: int, other_succeeds: bool, other_count: int, *, bound: float, greater: bool
) -> float:
    """p-value of "the success rates differ beyond ``bound``" for two samples that look alike within.

    All seeds of each sample succeed, or all fail. Under the null hypothesis this has at most the largest
    probability over all pairs of rates whose difference is ``bound`` (an exact, unconditional test).

    Args:
        succeeds: whether all seeds of the first sample succeed; otherwise all fail.
        count: number of its seeds.
        other_succeeds: the same of the second sample, which is subtracted.
        other_count: number of its seeds.
        bound: difference of the rates under the null hypothesis.
        greater: whether the claim says "above ``bound``"; otherwise "below".
    """
    seen = float(succeeds) - float(other_succeeds)
    if not (seen > bound if greater else seen < bound):
        return 1.0
    if abs(bound) > 1.0:  # no two rates differ so much
        return 0.0
    rates = np.linspace(max(0.0, bound), min(1.0, 1.0 + bound), RATES)
    others = rates - bound
    chance = (rates if succeeds else 1.0 - rates) ** count
    return float((chance * (others if other_succeeds else 1.0 - others) ** other_count).max())


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted by Holm's step-down procedure, which bounds the chance of any false rejection.

    ``adjusted_(k) = max_{j <= k} min(1, (m - j + 1) p_(j))`` for the p-values in ascending order
    (Holm 1979, "A simple sequentially rejective multiple test procedure").
    """
    values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(values, kind="stable")
    factors = len(values) - np.arange(len(values))
    adjusted = np.empty_like(values)
    adjusted[order] = np.maximum.accumulate(np.minimum(1.0, factors * values[order]))
    return [float(value) for value in adjusted]


def needed_seeds(
    effect: float,
    variance: float,
    *,
    samples: int,
    alpha: float,
    power: float = 0.8,
    reference: tuple[float, int] | None = None,
) -> float:
    """Seeds per method with which a one-sided t-test finds an effect with probability ``power``.

    Exact for normally distributed seeds (noncentral t distribution); samples are taken to be of equal size.
    Against a reference, which does not grow with the seeds, Welch's degrees of freedom make it approximate.

    Args:
        effect: distance of the mean (or of the difference of means) from the bound, in the claim's direction.
        variance: of a seed; for two samples the sum of both variances.
        samples: 1, or 2 for a difference of independent samples.
        alpha: level of the test.
        power: wanted probability of finding the effect.
        reference: variance and size of a sample of other units that the seeds are compared with, not counted
            in ``variance`` and ``samples``.

    Returns:
        The number of seeds, at least 2; infinity where the effect is not positive, or above ``MOST_SEEDS``.
    """
    if effect <= 0.0:
        return float("inf")
    fixed = 0.0 if reference is None else reference[0] / reference[1]
    if variance + fixed <= 0.0:
        return 2.0

    def missing(count: float) -> float:
        own = variance / count
        freedom = samples * (count - 1.0)
        if reference is not None:
            freedom = (own + fixed) ** 2 / (own**2 / (count - 1.0) + fixed**2 / (reference[1] - 1.0))
        threshold = stats.t.isf(alpha, freedom)
        return power - float(stats.nct.sf(threshold, freedom, effect / np.sqrt(own + fixed)))

    if missing(2.0) <= 0.0:
        return 2.0
    if missing(float(MOST_SEEDS)) > 0.0:
        return float("inf")
    return float(np.ceil(optimize.brentq(missing, 2.0, float(MOST_SEEDS), xtol=1e-3)))


def _constant(values: Array) -> bool:
    """Whether values differ by no more than rounding."""
    return bool(np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())))


def _sample(values: ArrayLike) -> Array:
    sample = np.asarray(values, dtype=np.float64)
    if sample.ndim != 1 or len(sample) < 2:
        raise ValueError(f"a t-test needs at least two values, got shape {list(sample.shape)}")
    if not np.isfinite(sample).all():
        raise ValueError("values contain NaN or infinity; leave out missing measurements")
    return sample
