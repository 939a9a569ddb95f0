"""Claims, and the rule by which a measurement decides them.

The same rule applies to all: a claim is *reproduced* if the whole bootstrap interval lies in the range given
by its criterion, and *not reproduced* otherwise, even if only part of it lies outside, so having few seeds
never helps a claim. It is *not testable* if a table, a method, seeds or steps are missing, or if a
precondition fails (for example: pi* cannot do what it is supposed to forget).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from fpc.core.statistics import Estimate

Tables = Mapping[str, "pd.DataFrame"]  # episodes, training, states, representation -> rows of one experiment
TablesByExperiment = Mapping[str, Tables]


class Outcome(StrEnum):
    """The outcome of a claim; ``verdict`` in ``claims.json``."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not_reproduced"
    NOT_TESTABLE = "not_testable"

    @property
    def words(self) -> str:
        """The outcome in words."""
        return self.value.replace("_", " ")


class NotTestable(Exception):
    """Raised with the reason why a claim cannot be tested on the tables."""


@dataclass(frozen=True)
class ClaimContext:
    """Origin of the tables, and how intervals are computed."""

    scale: str
    level: float = 0.95
    resamples: int = 10_000
    seed: int = 0
    minimum_seeds: int = 5
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # experiment -> its tables
    domains: tuple[str, ...] = ()  # their claims are listed first, in this order; others follow by name


@dataclass(frozen=True)
class Measurement:
    """A number with its interval and the number of seeds per method."""

    estimate: Estimate
    seeds: int
    note: str = ""


@dataclass(frozen=True)
class Claim:
    """A claim with its rule; ``measure`` takes the tables of the claim's experiments."""

    id: str
    domain: str
    experiments: tuple[str, ...]
    statement: str
    paper_source: str
    paper_value: str
    quantity: str  # what is measured, in words
    above: float | None  # the range the whole interval must lie in
    below: float | None
    measure: Callable[[TablesByExperiment, ClaimContext], Measurement]
    stages: tuple[str, ...] | None = None  # the sequence shown in the paper's figure
    minimum_seeds: int | None = None  # lowers the required number of seeds, where runs are long

    @property
    def criterion(self) -> str:
        """The rule in words."""
        return f"interval {self.range}"

    @property
    def range(self) -> str:
        """Where the whole interval must lie, in words."""
        if self.above is not None and self.below is not None:
            return f"within [{self.above:g}, {self.below:g}]"
        return f"above {self.above:g}" if self.above is not None else f"below {self.below:g}"


def claim_of(
    domain: str,
    name: str,
    statement: str,
    source: tuple[str, str],
    quantity: str,
    measure: Callable[[TablesByExperiment, ClaimContext], Measurement],
    *,
    above: float | None = None,
    below: float | None = None,
    minimum_seeds: int | None = None,
) -> Claim:
    """A claim about the experiment named after its domain; ``source``: where in the paper, and its value."""
    return Claim(
        f"{domain}_{name}",
        domain,
        (domain,),
        statement,
        *source,
        quantity,
        above,
        below,
        measure,
        minimum_seeds=minimum_seeds,
    )


@dataclass(frozen=True)
class Result:
    """The result of testing a claim against the tables."""

    claim: Claim
    outcome: Outcome
    reason: str
    measured: float | None = None
    low: float | None = None
    high: float | None = None
    level: float | None = None
    seeds: int = 0
    tables: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """The entry in ``claims.json``; null where nothing was measured."""
        return {
            "id": self.claim.id,
            "domain": self.claim.domain,
            "statement": self.claim.statement,
            "paper_source": self.claim.paper_source,
            "paper_value": self.claim.paper_value,
            "quantity": self.claim.quantity,
            "criterion": self.claim.criterion,
            "measured": self.measured,
            "interval": [self.low, self.high],
            "level": self.level,
            "seeds": self.seeds,
            "verdict": str(self.outcome),
            "reason": self.reason,
            "tables": list(self.tables),
        }


def evaluate_claim(claim: Claim, tables: TablesByExperiment, context: ClaimContext) -> Result:
    """Test one claim against the tables."""
    paths = tuple(path for name in claim.experiments for path in context.paths.get(name, ()))
    missing = [name for name in claim.experiments if name not in tables]
    if missing:
        return Result(
            claim, Outcome.NOT_TESTABLE, f"scale {context.scale} has no tables of {', '.join(missing)}"
        )
    try:
        chosen = {name: tables[name] for name in claim.experiments}
        measurement = claim.measure(chosen, context_for(claim, context))
    except NotTestable as error:
        return Result(claim, Outcome.NOT_TESTABLE, str(error), tables=paths)
    estimate = measurement.estimate
    outcome, reason = _judge(claim, estimate)
    reason += _other_sequence(claim, tables)
    return Result(
        claim,
        outcome,
        f"{reason}; {measurement.note}" if measurement.note else reason,
        _finite(estimate.value),
        _finite(estimate.low),
        _finite(estimate.high),
        estimate.level,
        measurement.seeds,
        paths,
    )


def context_for(claim: Claim, context: ClaimContext) -> ClaimContext:
    """The context with the number of seeds that the claim requires."""
    if claim.minimum_seeds is None:
        return context
    return replace(context, minimum_seeds=min(context.minimum_seeds, claim.minimum_seeds))


def _other_sequence(claim: Claim, tables: TablesByExperiment) -> str:
    """A note if the measured sequence of stages is not the one in the paper's figure."""
    if claim.stages is None:
        return ""
    (name,) = claim.experiments[:1]
    probes = tables[name]["episodes"]["probe"].unique()
    found = tuple(str(probe).partition("_")[2] for probe in sorted(probes) if probe != "whole")
    if found == claim.stages:
        return ""
    return f"; measured on {', '.join(found)} (the paper: {', '.join(claim.stages)})"


def _judge(claim: Claim, estimate: Estimate) -> tuple[Outcome, str]:
    if not all(map(math.isfinite, (estimate.value, estimate.low, estimate.high))):
        return Outcome.NOT_TESTABLE, "one seed gives no interval"
    inside = [
        estimate.low > claim.above if claim.above is not None else True,
        estimate.high < claim.below if claim.below is not None else True,
    ]
    found = f"{estimate.value:.3g} [{estimate.low:.3g}, {estimate.high:.3g}]"
    if all(inside):
        return Outcome.REPRODUCED, f"{found}: {claim.criterion}"
    return Outcome.NOT_REPRODUCED, f"{found}: the interval is not entirely {claim.range}"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
