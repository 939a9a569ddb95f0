"""Claims of the paper: what is measured on which tables, and the range that the measurement must lie in.

How a measurement becomes an outcome is in :mod:`fpc.claims.judging`; it is the same for all claims.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pandas as pd

    from fpc.core.statistics import Array

Tables = Mapping[str, "pd.DataFrame"]  # the tables in TABLES_READ -> rows of one experiment
TablesByExperiment = Mapping[str, Tables]
Kind = Literal["shape", "level"]

TABLES_READ = ("episodes", "representation", "training", "expert_recordings")
LEVEL_SCALE = "paper"  # the only scale whose numbers can be the paper's


class Outcome(StrEnum):
    """The outcome of a claim; ``verdict`` in ``claims.json``."""

    REPRODUCED = "reproduced"
    NOT_REPRODUCED = "not_reproduced"
    UNDECIDED = "undecided"
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

    scale: str  # with its variant, as the results folder is named
    level: float = 0.95
    resamples: int = 10_000
    seed: int = 0
    minimum_seeds: int = 5
    paths: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # experiment -> its tables
    domains: tuple[str, ...] = ()  # whose claims are tested, in this order; those of every domain if empty

    @property
    def has_levels(self) -> bool:
        """Whether numbers can be compared with the paper's, not only their order and shape."""
        return self.scale.partition("+")[0] == LEVEL_SCALE


@dataclass(frozen=True)
class Measurement:
    """One value per seed (or other unit); with ``second`` the claim is about the difference of the two.

    With columns, such as milestones, a claim speaks of all of them ("never below") or of any ("falls below at
    some time"); which column decides is not chosen by hand, and the test pays for the choice.
    """

    first: Array  # [n] or [n, columns], float64
    second: Array | None = None  # [m] or [m, columns], subtracted; independent of ``first``
    note: str = ""
    unit: str = "seed"  # pi* itself is measured once: then values belong to start states or games
    exact: bool = False  # computed, not sampled: no interval, no test
    holds: Literal["all", "any"] = "all"  # of the columns
    limits: tuple[float, float] | None = None  # smallest and largest possible value in a sample, as of rates
    reference: bool = False  # ``second`` is one policy's, such as pi*'s, in units of its own

    @property
    def count(self) -> int:
        """Number of units, of the smaller sample; a reference's do not count."""
        if self.second is None or self.reference:
            return len(self.first)
        return min(len(self.first), len(self.second))

    @property
    def samples(self) -> list[Array]:
        """Its one or two samples."""
        return [self.first] if self.second is None else [self.first, self.second]

    @property
    def effect(self) -> float:
        """The mean, or the difference of the means."""
        return float(self.first.mean()) - (0.0 if self.second is None else float(self.second.mean()))

    @property
    def columns(self) -> int:
        """Number of columns; 1 if there are none."""
        return 1 if self.first.ndim == 1 else self.first.shape[1]

    def column(self, index: int) -> Measurement:
        """One column alone."""
        if self.first.ndim == 1:
            return self
        second = self.second
        if second is not None and second.ndim == 2:
            second = second[:, index]
        return replace(self, first=self.first[:, index], second=second)


Measure = Callable[[TablesByExperiment, ClaimContext], Measurement]


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
    measure: Measure
    stages: tuple[str, ...] | None = None  # the sequence shown in the paper's figure
    kind: Kind = "shape"  # level: the paper's numbers, judged at scale ``paper`` only

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
    measure: Measure,
    *,
    above: float | None = None,
    below: float | None = None,
    kind: Kind = "shape",
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
        kind=kind,
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
    unit: str = "seed"
    p_value: float | None = None  # adjusted for the domain's other claims
    needed_seeds: int | None = None  # for a verdict at the effect seen, where it is undecided
    tables: tuple[str, ...] = ()

    def record(self) -> dict[str, Any]:
        """The entry in ``claims.json``; null where nothing was measured."""
        return {
            "id": self.claim.id,
            "domain": self.claim.domain,
            "kind": self.claim.kind,
            "statement": self.claim.statement,
            "paper_source": self.claim.paper_source,
            "paper_value": self.claim.paper_value,
            "quantity": self.claim.quantity,
            "criterion": self.claim.criterion,
            "measured": self.measured,
            "interval": [self.low, self.high],
            "level": self.level,
            "p_value": self.p_value,
            "seeds": self.seeds,
            "unit": self.unit,
            "needed_seeds": self.needed_seeds,
            "verdict": str(self.outcome),
            "reason": self.reason,
            "tables": list(self.tables),
        }
