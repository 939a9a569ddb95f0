"""Methods of a domain compared by one number per run, by the statistics that judge claims.

A method's score is an interquartile mean over seeds with its bootstrap interval. That it is better than
another is a claim "the difference is above 0", judged as all claims are; Holm's procedure adjusts for the
methods of a table. Against vanilla, or a method that is asked for, the claim "the difference is below 0"
belongs to the same family. Against the best other there is none: the best one of several equal methods is
often far above the rest by chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, Outcome, Result, Tables
from fpc.claims.headlines import headline_of
from fpc.claims.judging import estimate_of, judge
from fpc.claims.measures import Runs, compare, one_sample
from fpc.claims.scores import VANILLA, Benchmark, solved_at
from fpc.core.statistics import Estimate

NEVER = math.inf
WORDS = {Outcome.REPRODUCED: "better", Outcome.NOT_REPRODUCED: "not better", Outcome.UNDECIDED: "undecided"}
WORSE = "worse"
NOT_TESTED = "not tested"
BOTH_SIDES = "above", "below"
NAMED = "behavioral_cloning", "ewc"  # the paper's methods that every newcomer is compared with


@dataclass(frozen=True)
class Absent:
    """A run that is not used, as it is not current."""

    seeds: int
    verdict: str  # of the audit
    reason: str  # empty if the verdict says it all


@dataclass(frozen=True)
class Entrant:
    """A method whose runs are compared."""

    method: str
    variant: str | None = None  # that brings the method; None: it belongs to the scale
    seeds: int = 0  # that the configuration asks for
    seconds: tuple[float, ...] = ()  # of each current run's fine-tuning
    absent: tuple[Absent, ...] = ()

    @property
    def name(self) -> str:
        """Its name in tables: a variant's method is listed with the variant, if that has another name."""
        return self.method if self.variant in (None, self.method) else f"{self.method} ({self.variant})"


@dataclass(frozen=True)
class Entry:
    """What is compared in one domain."""

    domain: str
    benchmark: Benchmark
    tables: Tables  # current rows only; the column ``method`` has the names of entrants
    entrants: tuple[Entrant, ...]
    notes: tuple[str, ...] = ()  # variants that are left out, and why


@dataclass(frozen=True)
class Comparison:
    """A method's score minus another's; ``estimate`` is None where it could not be computed."""

    other: str
    words: str  # better, worse, not better, undecided or not tested
    estimate: Estimate | None = None
    p_value: float | None = None  # one-sided (of worse: the other side), adjusted for the other methods
    reason: str = ""  # why it was not tested


@dataclass(frozen=True)
class Line:
    """One method's numbers; what is None has its reason in ``reasons``."""

    entrant: Entrant
    seeds: int = 0  # measured
    score: Estimate | None = None
    vanilla: Comparison | None = None  # None for vanilla itself
    other: Comparison | None = None  # with the best of the others, or with the method that is asked for
    named: tuple[Comparison, ...] = ()  # with ``NAMED``, if a variant brings the method
    far_kept: Estimate | None = None
    solved_at: float | None = None  # environment steps; NEVER within the run
    reasons: Mapping[str, str] = field(default_factory=dict)  # column -> why it is empty

    @property
    def seconds(self) -> float | None:
        """Mean duration of a run's fine-tuning; None if there is no current run."""
        found = self.entrant.seconds
        return sum(found) / len(found) if found else None


@dataclass(frozen=True)
class DomainTable:
    """The methods of one domain, the highest score first; those without a current run come last."""

    domain: str
    title: str
    benchmark: Benchmark
    lines: tuple[Line, ...]
    level: float
    minimum_seeds: int
    notes: tuple[str, ...] = ()
    against: str | None = None  # the method that ``Line.other`` compares with; None: the best other

    @property
    def opponent(self) -> str:
        """Whom the second comparison is with, in words."""
        return self.against or "the best other"


def benchmark_table(entry: Entry, context: ClaimContext, against: str | None = None) -> DomainTable:
    """Measure and compare the methods of a domain.

    Args:
        entry: the domain's entrants and their tables.
        context: level, resamples and the least number of seeds of a test.
        against: name of an entrant that the others are compared with, beside vanilla; None: each with the
            best of the others.
    """
    tables = {entry.benchmark.experiment: entry.tables}
    anyhow = replace(context, minimum_seeds=1)
    lines, courses = {}, {}
    for entrant in entry.entrants:
        lines[entrant.name], found = _measured(entrant, entry.benchmark, tables, anyhow)
        if found is not None:
            courses[entrant.name] = found
    against_vanilla = [(name, VANILLA) for name in courses if name != VANILLA]
    with_vanilla = _compared(against_vanilla, courses, entry, context, sides=BOTH_SIDES)
    if against is None:
        least = context.minimum_seeds
        pairs = [(name, other) for name in courses if (other := _best_other(name, lines, least))]
        with_other = _compared(pairs, courses, entry, context, sides=BOTH_SIDES[:1])
    else:
        pairs = [(name, against) for name in courses if name != against]
        with_other = _compared(pairs, courses, entry, context, sides=BOTH_SIDES)
    with_named = _with_named(courses, entry, context)
    done = [
        replace(
            line, vanilla=with_vanilla.get(name), other=with_other.get(name), named=with_named.get(name, ())
        )
        for name, line in lines.items()
    ]
    done.sort(key=lambda line: math.inf if line.score is None else -line.score.value)
    title = headline_of(entry.domain, (entry.domain,)).title.removeprefix("the ")
    settings = context.level, context.minimum_seeds
    return DomainTable(entry.domain, title, entry.benchmark, tuple(done), *settings, entry.notes, against)


def _measured(
    entrant: Entrant, benchmark: Benchmark, tables: Mapping[str, Tables], context: ClaimContext
) -> tuple[Line, Runs | None]:
    """A method's own numbers, and the course of its score."""
    reasons: dict[str, str] = {}

    def found(column: str, measure: Callable[..., Any]) -> Any:
        try:
            return measure(tables, context, entrant.name)
        except NotTestable as error:
            reasons[column] = str(error)
            return None

    if entrant.absent and sum(run.seeds for run in entrant.absent) == entrant.seeds:
        return Line(entrant, reasons={"score": "no run is current"}), None
    runs: Runs | None = found("score", benchmark.course)
    if runs is None:
        return Line(entrant, reasons=reasons), None
    kept: Measurement | None = found("Far kept", benchmark.far_kept)
    if kept is not None and not all(np.isfinite(sample).all() for sample in kept.samples):
        kept, reasons["Far kept"] = None, "it is not a number for every seed"
    rising: Runs | None = found("solved", benchmark.rising)
    line = Line(
        entrant,
        seeds=len(runs.seeds),
        score=estimate_of(one_sample(benchmark.take(runs)), context),
        far_kept=None if kept is None else estimate_of(kept, context),
        reasons=reasons,
    )
    if rising is not None:
        step = solved_at(rising, benchmark.threshold)
        line = replace(line, solved_at=NEVER if step is None else float(step))
    return line, runs


def _with_named(
    courses: Mapping[str, Runs], entry: Entry, context: ClaimContext
) -> dict[str, tuple[Comparison, ...]]:
    """The methods that variants bring, compared with those of ``NAMED`` as ``against`` would compare all."""
    newcomers = [one.name for one in entry.entrants if one.variant is not None and one.name in courses]
    opponents = [name for name in NAMED if newcomers and name in courses]
    found = {}
    for opponent in opponents:
        pairs = [(name, opponent) for name in courses if name != opponent]
        found[opponent] = _compared(pairs, courses, entry, context, sides=BOTH_SIDES)
    return {name: tuple(found[opponent][name] for opponent in opponents) for name in newcomers}


def _best_other(name: str, lines: Mapping[str, Line], least: int) -> str | None:
    """The other method with the highest score; None if there is none.

    One with fewer than ``least`` seeds is taken only if all have fewer: it would leave the others untested.
    """
    ranks = {
        other: (line.seeds >= least, line.score.value)
        for other, line in lines.items()
        if other != name and line.score is not None
    }
    return max(ranks, key=ranks.__getitem__) if ranks else None


def _compared(
    pairs: Sequence[tuple[str, str]],
    courses: Mapping[str, Runs],
    entry: Entry,
    context: ClaimContext,
    sides: Sequence[str],
) -> dict[str, Comparison]:
    """Each pair's first method minus its second, by the first one's name.

    Holm's family is all pairs, on all sides of 0 that are tested.
    """
    found: dict[str, Comparison] = {}
    measured: dict[str, Measurement] = {}
    others = dict(pairs)
    for name, other in pairs:
        if other not in courses:
            found[name] = Comparison(other, NOT_TESTED, reason=f"{other} has no score")
            continue
        try:
            measurement = compare(courses[name], courses[other], entry.benchmark.take)
        except NotTestable as error:
            found[name] = Comparison(other, NOT_TESTED, reason=str(error))
            continue
        if measurement.count < context.minimum_seeds:
            reason = f"{measurement.count} seed(s); {context.minimum_seeds} are asked for"
            estimate = estimate_of(measurement, context)
            found[name] = Comparison(other, NOT_TESTED, estimate, reason=reason)
            continue
        measured[name] = measurement
    claims = [_claim(name, entry, value, side) for side in sides for name, value in measured.items()]
    judged = {
        result.claim.id: result
        for result in judge(claims, {entry.benchmark.experiment: entry.tables}, context)
    }
    for name in measured:
        found[name] = _comparison(others[name], judged[f"{name} above"], judged.get(f"{name} below"))
    return found


def _claim(name: str, entry: Entry, measurement: Measurement, side: str) -> Claim:
    """The claim that a method's score minus another's is above, or below, 0."""
    return Claim(
        id=f"{name} {side}",
        domain=entry.domain,
        experiments=(entry.benchmark.experiment,),
        statement=f"the difference is {side} 0",
        paper_source="",
        paper_value="",
        quantity=entry.benchmark.score,
        above=0.0 if side == "above" else None,
        below=0.0 if side == "below" else None,
        measure=partial(_given, measurement),
    )


def _given(measurement: Measurement, *_: object) -> Measurement:
    return measurement


def _comparison(other: str, better: Result, worse: Result | None) -> Comparison:
    """What is found by the claims that a difference is above and below 0."""
    is_worse = worse is not None and worse.outcome == Outcome.REPRODUCED
    result = worse if worse is not None and is_worse else better
    if result.measured is None or result.outcome not in WORDS:
        return Comparison(other, NOT_TESTED, reason=result.reason)
    assert result.low is not None
    assert result.high is not None
    assert result.level is not None
    estimate = Estimate(result.measured, result.low, result.high, result.level)
    return Comparison(other, WORSE if is_worse else WORDS[result.outcome], estimate, result.p_value)
