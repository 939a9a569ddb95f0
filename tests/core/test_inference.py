"""Tests, Holm's correction and numbers of seeds, by hand and by simulation."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from fpc.core.inference import (
    binary_p,
    holm,
    needed_seeds,
    one_sided_p,
    unseen_difference_p,
    unseen_outcome_p,
)
from fpc.core.statistics import Array, bootstrap_estimate, interquartile_mean, mean

ALPHA, LEVEL = 0.05, 0.95
Draw = Callable[[np.random.Generator, int], Array]


def test_one_sample_by_hand() -> None:
    # Mean 2, deviation 1, t = 2 sqrt(3); with two degrees of freedom p = (1 - t / sqrt(t^2 + 2)) / 2.
    expected = (1 - math.sqrt(12 / 14)) / 2
    assert one_sided_p([1.0, 2.0, 3.0], bound=0.0, greater=True) == pytest.approx(expected)
    assert one_sided_p([1.0, 2.0, 3.0], bound=0.0, greater=False) == pytest.approx(1 - expected)
    assert one_sided_p([4.0, 5.0, 6.0], bound=3.0, greater=True) == pytest.approx(expected)


def test_welch_by_hand() -> None:
    # Equal variances of 1 and sizes of 3 have 4 degrees of freedom: the upper tail at t is
    # 1/2 - sin(a) (2 + cos(a)^2) / 4 with a = atan(t / 2) (Abramowitz and Stegun 26.7.3 and 26.7.4).
    angle = math.atan((2.0 - 0.5) / math.sqrt(2 / 3) / 2)
    expected = 0.5 - math.sin(angle) * (2 + math.cos(angle) ** 2) / 4
    found = one_sided_p([3.0, 4.0, 5.0], [1.0, 2.0, 3.0], bound=0.5, greater=True)
    assert found == pytest.approx(expected)


def test_samples_without_variation() -> None:
    assert one_sided_p([1.0] * 5, bound=0.8, greater=True) == 0.0
    assert one_sided_p([0.8] * 5, bound=0.8, greater=True) == 1.0
    assert one_sided_p([1.0] * 5, [0.0] * 5, bound=0.0, greater=False) == 1.0
    with pytest.raises(ValueError, match="at least two"):
        one_sided_p([1.0], bound=0.0, greater=True)
    with pytest.raises(ValueError, match="NaN"):
        one_sided_p([1.0, math.nan], bound=0.0, greater=True)


def test_an_unseen_outcome_by_hand() -> None:
    # All succeed; with a mean of .8 a seed fails one time in five.
    assert unseen_outcome_p(1.0, 5, 0.8, 0.0) == pytest.approx(0.8**5)
    assert binary_p(5, 5, bound=0.8, greater=True) == pytest.approx(0.8**5)
    # Thirteen or more of fourteen: .8^14 + 14 * .8^13 * .2, where the t-test says .047.
    assert binary_p(13, 14, bound=0.8, greater=True) == pytest.approx(0.8**14 + 14 * 0.8**13 * 0.2)
    # All fail, against "below .2".
    assert unseen_outcome_p(0.0, 10, 0.2, 1.0) == pytest.approx(0.8**10)
    assert unseen_outcome_p(0.7, 10, 0.8, 0.0) == 1.0  # on the wrong side


def test_seeds_that_succeed_or_fail_as_a_whole_are_not_taken_for_certain() -> None:
    rng, repeats, rate = np.random.default_rng(3), 4000, 0.8
    wrong = 0
    for _ in range(repeats):
        seeds = (rng.random(14) < rate).astype(float)
        exact = binary_p(int(seeds.sum()), 14, bound=rate, greater=True)
        wrong += exact < ALPHA and one_sided_p(seeds, bound=rate, greater=True) < ALPHA
    assert wrong / repeats < 0.06


def test_two_samples_that_look_alike_within() -> None:
    """All of ten succeed and all of five fail: at most q^10 (1 - q)^5, which is largest at q = 2/3."""
    found = unseen_difference_p(False, 5, True, 10, bound=0.0, greater=False)
    assert found == pytest.approx((2 / 3) ** 10 * (1 / 3) ** 5, rel=1e-3)
    # All succeed in both, and the claim is that the first is not .2 worse: its rate may be .8.
    assert unseen_difference_p(True, 10, True, 10, bound=-0.2, greater=True) == pytest.approx(0.8**10)
    assert unseen_difference_p(True, 10, True, 10, bound=0.2, greater=False) == pytest.approx(0.8**10)
    assert unseen_difference_p(True, 5, True, 5, bound=0.0, greater=True) == 1.0
    assert unseen_difference_p(True, 5, False, 5, bound=-1.5, greater=True) == 0.0


def test_holm_by_hand() -> None:
    # In ascending order .005 * 4, .01 * 3, .03 * 2, max(.06, .04 * 1).
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize(("samples", "variance", "known"), [(1, 1.0, 27), (2, 2.0, 51)])
def test_needed_seeds_by_simulation(samples: int, variance: float, known: int) -> None:
    """A medium effect (d = .5) needs 27 pairs, or 51 in each of two groups (Cohen, one-sided .05)."""
    found = needed_seeds(0.5, variance, samples=samples, alpha=ALPHA)
    assert found == known
    rng, rejected, repeats = np.random.default_rng(0), 0, 4000
    for _ in range(repeats):
        first = rng.normal(0.5, 1.0, known)
        second = rng.normal(0.0, 1.0, known) if samples == 2 else None
        rejected += one_sided_p(first, second, bound=0.0, greater=True) < ALPHA
    assert rejected / repeats == pytest.approx(0.8, abs=0.02)


def test_needed_seeds_at_the_ends() -> None:
    assert needed_seeds(0.0, 1.0, samples=1, alpha=ALPHA) == math.inf
    assert needed_seeds(1e-4, 1.0, samples=1, alpha=ALPHA) == math.inf
    assert needed_seeds(1.0, 0.0, samples=1, alpha=ALPHA) == 2.0


def test_needed_seeds_against_a_reference_that_does_not_grow() -> None:
    """By simulation: pi* is measured in 20 blocks, the method in more and more seeds."""
    found = int(needed_seeds(1.0, 1.0, samples=1, alpha=ALPHA, reference=(2.0, 20)))
    assert found > needed_seeds(1.0, 1.0, samples=1, alpha=ALPHA)
    rng, rejected, repeats = np.random.default_rng(0), 0, 4000
    for _ in range(repeats):
        seeds, pi_star = rng.normal(1.0, 1.0, found), rng.normal(0.0, 2.0**0.5, 20)
        rejected += one_sided_p(seeds, pi_star, bound=0.0, greater=True) < ALPHA
    assert 0.78 < rejected / repeats < 0.88
    assert needed_seeds(0.5, 1.0, samples=1, alpha=ALPHA, reference=(2.0, 20)) == math.inf


def normal(rng: np.random.Generator, seeds: int) -> Array:
    """Seeds that vary a little each."""
    return rng.normal(size=seeds)


def bimodal(rng: np.random.Generator, seeds: int) -> Array:
    """Seeds that succeed or fail as a whole."""
    return rng.integers(2, size=seeds) - 0.5


@pytest.mark.parametrize(("seeds", "low", "high"), [(3, 0.68, 0.78), (5, 0.78, 0.88), (20, 0.90, 0.95)])
def test_the_bootstrap_covers_less_than_its_level(seeds: int, low: float, high: float) -> None:
    rng, repeats = np.random.default_rng(seeds), 1000
    covered = 0
    for number in range(repeats):
        found = bootstrap_estimate([normal(rng, seeds)], mean, level=LEVEL, resamples=400, seed=number)
        covered += found.low <= 0.0 <= found.high
    assert low < covered / repeats < high


def false_verdicts(draw: Draw, seeds: int, repeats: int = 2000) -> tuple[float, float]:
    """Rates at which "above 0" is found although the mean is 0: by the interval alone, and by the rule."""
    rng, by_interval, by_rule = np.random.default_rng(seeds), 0, 0
    for number in range(repeats):
        values = draw(rng, seeds)
        interval = bootstrap_estimate([values], interquartile_mean, level=LEVEL, resamples=400, seed=number)
        by_interval += interval.low > 0.0
        by_rule += interval.low > 0.0 and one_sided_p(values, bound=0.0, greater=True) < ALPHA
    return by_interval / repeats, by_rule / repeats


def test_three_seeds_are_wrong_one_time_in_eight() -> None:
    interval, _ = false_verdicts(normal, 3)
    assert 0.09 < interval < 0.16


@pytest.mark.parametrize("draw", [normal, bimodal])
@pytest.mark.parametrize("seeds", [5, 20])
def test_the_rule_is_wrong_no_more_often_than_it_says(draw: Draw, seeds: int) -> None:
    _, rule = false_verdicts(draw, seeds)
    assert rule < 0.06


def test_holm_bounds_any_false_verdict_among_many_claims() -> None:
    rng, repeats, claims, seeds = np.random.default_rng(7), 600, 20, 5
    alone = together = 0
    for _ in range(repeats):
        p_values = [one_sided_p(normal(rng, seeds), bound=0.0, greater=True) for _ in range(claims)]
        alone += min(p_values) < ALPHA
        together += min(holm(p_values)) < ALPHA
    assert alone / repeats > 0.5
    assert together / repeats < 0.06
