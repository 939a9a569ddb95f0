"""The one rule by which measurements become outcomes.

A claim is *reproduced* if the whole bootstrap interval lies in the claim's range and a test, adjusted by
Holm's procedure for all claims of its domain, finds the same: a t-test, and where seeds succeed or fail as a
whole also the chance that so few hide other outcomes. It is *not reproduced* if the whole interval lies
outside the range; where the worst of several milestones is taken, a t-test that pays for this choice must
agree. It is *undecided* if neither holds: then the number of seeds that would decide it at
the effect seen is named. It is *not testable* if a table, a method, seeds or steps are missing, or if a
precondition fails (for example: pi* cannot do what it is supposed to forget). So few seeds never help a
claim. ``docs/explanation/statistics.md`` gives the error rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from fpc.claims.claim import (
    LEVEL_SCALE,
    Claim,
    ClaimContext,
    Measurement,
    NotTestable,
    Outcome,
    Result,
    TablesByExperiment,
)
from fpc.core.inference import (
    binary_p,
    holm,
    needed_seeds,
    one_sided_p,
    unseen_difference_p,
    unseen_outcome_p,
)
from fpc.core.numbers import number
from fpc.core.statistics import (
    Array,
    Estimate,
    Statistic,
    bootstrap_estimate,
    difference_of,
    interquartile_mean,
    mean,
)

SATURATED = 0.05  # share of the possible range within which a value counts as the smallest or largest one


@dataclass(frozen=True)
class _Measured:
    """A claim before its p-value is adjusted; ``measurement`` is None if it is not testable."""

    result: Result
    measurement: Measurement | None = None  # of the column that decides
    p_value: float | None = None  # None where nothing was sampled
    worst_of: int = 1  # columns of which the worst one was taken


def judge(claims: Sequence[Claim], tables: TablesByExperiment, context: ClaimContext) -> list[Result]:
    """Test claims against the tables; those of one domain share Holm's correction."""
    measured = [_measure(claim, tables, context) for claim in claims]
    families: dict[str, dict[str, float]] = {}  # domain -> claim -> p-value
    for item in measured:
        if item.p_value is not None:
            families.setdefault(item.result.claim.domain, {})[item.result.claim.id] = item.p_value
    adjusted = {
        domain: dict(zip(family, holm([*family.values()]), strict=True))
        for domain, family in families.items()
    }
    return [_verdict(item, adjusted.get(item.result.claim.domain, {})) for item in measured]


def _measure(claim: Claim, tables: TablesByExperiment, context: ClaimContext) -> _Measured:
    """The measurement with its interval and p-value, or the reason why there is none."""
    paths = tuple(path for name in claim.experiments for path in context.paths.get(name, ()))
    if missing := [name for name in claim.experiments if name not in tables]:
        reason = f"scale {context.scale} has no tables of {', '.join(missing)}"
        return _Measured(Result(claim, Outcome.NOT_TESTABLE, reason))
    try:
        measurement = claim.measure({name: tables[name] for name in claim.experiments}, context)
    except NotTestable as error:
        return _Measured(Result(claim, Outcome.NOT_TESTABLE, str(error), tables=paths))
    decisive, p_value = decide(claim, measurement)
    estimate = estimate_of(decisive, context)
    result = Result(
        claim,
        Outcome.NOT_TESTABLE,
        "; ".join(part for part in (measurement.note, _other_sequence(claim, tables)) if part),
        _finite(estimate.value),
        _finite(estimate.low),
        _finite(estimate.high),
        estimate.level,
        measurement.count,
        measurement.unit,
        tables=paths,
    )
    if not all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))):
        return _untestable(result, f"one {measurement.unit} gives no interval")
    if claim.kind == "level" and not context.has_levels:
        return _untestable(result, f"{_found(result)}; levels are compared at scale {LEVEL_SCALE} only")
    worst_of = measurement.columns if measurement.holds == "all" else 1
    return _Measured(result, decisive, p_value, worst_of)


def estimate_of(measurement: Measurement, context: ClaimContext) -> Estimate:
    """Interquartile mean over seeds, or its difference, with its bootstrap interval.

    Over other units, such as games that are won or lost, it is the mean: a share of .6 has the interquartile
    mean .7.
    """
    first = measurement.first
    if measurement.exact:
        value = float(first.mean())
        return Estimate(value, value, value, context.level)
    return bootstrap_estimate(
        measurement.samples,
        _statistic(measurement),
        level=context.level,
        resamples=context.resamples,
        seed=context.seed,
    )


def _statistic(measurement: Measurement) -> Statistic:
    own = interquartile_mean if measurement.unit == "seed" else mean
    if measurement.second is None:
        return own
    size = len(measurement.first)
    if measurement.reference:  # its units are not seeds
        return lambda values: own(values[..., :size]) - mean(values[..., size:])
    return difference_of(size, own)


def decide(claim: Claim, measurement: Measurement) -> tuple[Measurement, float | None]:
    """The column that decides the claim, and the claim's p-value; None if there is nothing to test.

    A claim about all columns needs the weakest one (intersection-union test: the largest p-value). One about
    any column takes the strongest, and its p-value is multiplied by their number (Bonferroni).
    """
    if measurement.exact or min(map(len, measurement.samples)) < 2:
        return measurement.column(0), None
    columns = [measurement.column(index) for index in range(measurement.columns)]
    found = [
        (max(p_value_of(claim, column), unseen_p(claim, column)), -_margin(claim, column), column)
        for column in columns
    ]
    choose = max if measurement.holds == "all" else min
    p_value, _, decisive = choose(found, key=lambda item: item[:2])
    return decisive, p_value if measurement.holds == "all" else min(1.0, p_value * len(columns))


def _margin(claim: Claim, measurement: Measurement) -> float:
    """Distance of the mean from the nearest bound; negative outside the range."""
    above, below = _bounds(claim)
    return min(measurement.effect - above, below - measurement.effect)


def p_value_of(claim: Claim, measurement: Measurement) -> float:
    """p-value of "the mean lies in the range" by the t-test: the larger one of its two sides."""
    return max(
        one_sided_p(measurement.first, measurement.second, bound=bound, greater=greater)
        for bound, greater in _sides(claim)
    )


def _outside_p(claim: Claim, measurement: Measurement) -> float:
    """p-value of "the mean lies outside the range" by the t-test: that of the nearer side."""
    return min(
        one_sided_p(measurement.first, measurement.second, bound=bound, greater=not greater)
        for bound, greater in _sides(claim)
    )


def _sides(claim: Claim) -> list[tuple[float, bool]]:
    """Each bound of the range, and whether the claim says "above" it."""
    both = ((claim.above, True), (claim.below, False))
    return [(bound, greater) for bound, greater in both if bound is not None]


def unseen_p(claim: Claim, measurement: Measurement) -> float:
    """p-value for seeds that succeed or fail as a whole, of which few may hide other outcomes; else 0.

    One sample has the exact binomial test. Differences have a bound where all seeds of a sample are alike.
    """
    limits, second = measurement.limits, measurement.second
    if limits is None:
        return 0.0
    low, high = limits
    if second is None and low != -high and _near(measurement.first, limits):
        rates = [(min(1.0, max(0.0, (bound - low) / (high - low))), side) for bound, side in _sides(claim)]
        successes = int((measurement.first > (low + high) / 2).sum())
        return max(binary_p(successes, measurement.count, bound=r, greater=greater) for r, greater in rates)
    # A reference is one policy's, so only the seeds may hide anything.
    samples = measurement.samples[:1] if measurement.reference else measurement.samples
    if not all(any(_near(sample, (point,), high - low) for point in limits) for sample in samples):
        return 0.0
    if len(samples) == 2:
        return max(_unseen_difference(measurement, limits, *side) for side in _sides(claim))
    shift = 0.0 if second is None else float(second.mean())
    return max(
        unseen_outcome_p(measurement.effect, measurement.count, bound, (low if greater else high) - shift)
        for bound, greater in _sides(claim)
    )


def _unseen_difference(
    measurement: Measurement, limits: tuple[float, float], bound: float, greater: bool
) -> float:
    """The p-value of two samples, each of which has only successes or only failures."""
    low, high = limits
    samples = [(bool(sample.mean() > (low + high) / 2), len(sample)) for sample in measurement.samples]
    return unseen_difference_p(*samples[0], *samples[1], bound=bound / (high - low), greater=greater)


def _near(values: Array, points: Sequence[float], span: float | None = None) -> bool:
    """Whether each value is about one of the points; ``span``: the possible range, by default theirs."""
    width = SATURATED * (max(points) - min(points) if span is None else span)
    distances = np.abs(values[:, None] - np.asarray(points)[None, :]).min(axis=1)
    return bool((distances <= width).all())


def _verdict(item: _Measured, adjusted: Mapping[str, float]) -> Result:
    """The outcome, given the adjusted p-values of the claim's domain."""
    if item.measurement is None:
        return item.result
    result, claim = replace(item.result, p_value=adjusted.get(item.result.claim.id)), item.result.claim
    value, low, high, level = result.measured, result.low, result.high, result.level
    assert value is not None
    assert low is not None
    assert high is not None
    assert level is not None
    above, below = _bounds(claim)
    alpha = 1.0 - level
    if low > above and high < below and (result.p_value is None or result.p_value < alpha):
        return _decided(result, Outcome.REPRODUCED, claim.criterion)
    if high <= above or low >= below:
        return _decided(result, *_outside(claim, item, alpha))
    if not above < value < below:
        words = f"the estimate is not {claim.range}, but the interval does not exclude it"
        return _decided(result, Outcome.UNDECIDED, words)
    unseen = unseen_p(claim, item.measurement)
    seeds = _needed(claim, item.measurement, unseen, alpha / max(1, len(adjusted)))
    needed = int(seeds) if math.isfinite(seeds) else None
    count = "too many" if needed is None else f"about {needed}"
    if needed is None and item.measurement.reference:
        count = "more of pi*'s own episodes, not only more"
    why = "all look alike, but" if unseen > p_value_of(claim, item.measurement) else "but not surely:"
    words = f"{claim.range}, {why} at the effect seen that needs {count} {result.unit}s"
    return _decided(replace(result, needed_seeds=needed), Outcome.UNDECIDED, words)


def _outside(claim: Claim, item: _Measured, alpha: float) -> tuple[Outcome, str]:
    """The outcome, with the reason, if the whole interval is outside the range."""
    words = f"the interval is not {claim.range}"
    assert item.measurement is not None
    if item.worst_of == 1 or _outside_p(claim, item.measurement) * item.worst_of < alpha:
        return Outcome.NOT_REPRODUCED, words
    return Outcome.UNDECIDED, f"{words}, but the worst of {item.worst_of} milestones may be so by chance"


def _decided(result: Result, outcome: Outcome, words: str) -> Result:
    note = f"; {result.reason}" if result.reason else ""
    return replace(result, outcome=outcome, reason=f"{_found(result)}: {words}{note}")


def _found(result: Result) -> str:
    """The measured number with its interval and p-value, as text."""
    assert result.measured is not None
    assert result.low is not None
    assert result.high is not None
    found = f"{number(result.measured)} [{number(result.low)}, {number(result.high)}]"
    return found if result.p_value is None else f"{found}, p = {result.p_value:.2g}"


def _needed(claim: Claim, measurement: Measurement, unseen: float, alpha: float) -> float:
    """Units per method that would decide the claim, and more than there are now.

    Args:
        claim: the claim.
        measurement: of the column that decides it.
        unseen: see ``unseen_p``.
        alpha: level of the test, divided by the number of claims that share Holm's correction.
    """
    variances = [float(sample.var(ddof=1)) for sample in measurement.samples]
    fixed = None
    if measurement.reference and measurement.second is not None:
        fixed = variances.pop(), len(measurement.second)
    needed = needed_seeds(
        _margin(claim, measurement), sum(variances), samples=len(variances), alpha=alpha, reference=fixed
    )
    if unseen >= alpha:  # unseen is a probability to the power of the count
        each = math.log(unseen) / measurement.count
        needed = max(needed, math.ceil(math.log(alpha) / each)) if each < 0.0 else math.inf
    return max(needed, measurement.count + 1.0)


def _bounds(claim: Claim) -> tuple[float, float]:
    above = -math.inf if claim.above is None else claim.above
    return above, math.inf if claim.below is None else claim.below


def _untestable(result: Result, reason: str) -> _Measured:
    note = f"; {result.reason}" if result.reason else ""
    return _Measured(replace(result, reason=reason + note))


def _other_sequence(claim: Claim, tables: TablesByExperiment) -> str:
    """A note if the measured sequence of stages is not the one in the paper's figure."""
    if claim.stages is None:
        return ""
    (name,) = claim.experiments[:1]
    probes = tables[name]["episodes"]["probe"].unique()
    found = tuple(str(probe).partition("_")[2] for probe in sorted(probes) if probe != "whole")
    if found == claim.stages:
        return ""
    return f"measured on {', '.join(found)} (the paper: {', '.join(claim.stages)})"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
