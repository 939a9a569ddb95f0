"""The one rule by which measurements become outcomes.

A claim is *reproduced* if the whole bootstrap interval lies in the claim's range and a t-test, adjusted by
Holm's procedure for all claims of its domain, finds the same. It is *not reproduced* if the whole interval
lies outside the range, and *undecided* if neither holds: then the number of seeds that would decide it at
the effect seen is named. It is *not testable* if a table, a method, seeds or steps are missing, or if a
precondition fails (for example: pi* cannot do what it is supposed to forget). So few seeds never help a
claim. ``docs/explanation/statistics.md`` gives the error rates.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

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
from fpc.core.inference import holm, needed_seeds, one_sided_p
from fpc.core.statistics import Estimate, bootstrap_estimate, difference_of, interquartile_mean, mean


@dataclass(frozen=True)
class _Measured:
    """A claim before its p-value is adjusted; ``measurement`` is None if it is not testable."""

    result: Result
    measurement: Measurement | None = None
    p_value: float | None = None  # None where nothing was sampled


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
    estimate = estimate_of(measurement, context)
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
    return _Measured(result, measurement, None if measurement.exact else p_value_of(claim, measurement))


def estimate_of(measurement: Measurement, context: ClaimContext) -> Estimate:
    """Interquartile mean over seeds, or its difference, with its bootstrap interval.

    Over other units, such as games that are won or lost, it is the mean: a share of .6 has the interquartile
    mean .7.
    """
    first, second = measurement.first, measurement.second
    if measurement.exact:
        value = float(first.mean())
        return Estimate(value, value, value, context.level)
    statistic = interquartile_mean if measurement.unit == "seed" else mean
    return bootstrap_estimate(
        [first] if second is None else [first, second],
        statistic if second is None else difference_of(len(first), statistic),
        level=context.level,
        resamples=context.resamples,
        seed=context.seed,
    )


def p_value_of(claim: Claim, measurement: Measurement) -> float:
    """p-value of "the mean lies in the range": the larger one of its two sides."""
    bounds = ((claim.above, True), (claim.below, False))
    return max(
        one_sided_p(measurement.first, measurement.second, bound=bound, greater=greater)
        for bound, greater in bounds
        if bound is not None
    )


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
    alpha, significant = 1.0 - level, result.p_value is None or result.p_value < 1.0 - level
    if low > above and high < below and significant:
        return _decided(result, Outcome.REPRODUCED, claim.criterion)
    if high <= above or low >= below:
        return _decided(result, Outcome.NOT_REPRODUCED, f"the interval is not {claim.range}")
    if not above < value < below:
        words = f"the estimate is not {claim.range}, but the interval does not exclude it"
        return _decided(result, Outcome.UNDECIDED, words)
    seeds = _needed(item.measurement, (above, below), alpha / max(1, len(adjusted)))
    count = f"about {seeds:.0f}" if math.isfinite(seeds) else "too many"
    words = f"{claim.range}, but not surely: at the effect seen that needs {count} {result.unit}s"
    needed = int(seeds) if math.isfinite(seeds) else None
    return _decided(replace(result, needed_seeds=needed), Outcome.UNDECIDED, words)


def _decided(result: Result, outcome: Outcome, words: str) -> Result:
    note = f"; {result.reason}" if result.reason else ""
    return replace(result, outcome=outcome, reason=f"{_found(result)}: {words}{note}")


def _found(result: Result) -> str:
    """The measured number with its interval and p-value, as text."""
    found = f"{result.measured:.3g} [{result.low:.3g}, {result.high:.3g}]"
    return found if result.p_value is None else f"{found}, p = {result.p_value:.2g}"


def _needed(measurement: Measurement, bounds: tuple[float, float], alpha: float) -> float:
    """Units per method that would decide the claim, and more than there are now."""
    first, second = measurement.first, measurement.second
    centre = float(first.mean()) - (0.0 if second is None else float(second.mean()))
    variance = float(first.var(ddof=1)) + (0.0 if second is None else float(second.var(ddof=1)))
    samples, effect = 1 if second is None else 2, min(centre - bounds[0], bounds[1] - centre)
    return max(needed_seeds(effect, variance, samples=samples, alpha=alpha), measurement.count + 1.0)


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
