"""Claims about AppleRetrieval; Far is phase 2, on which pi* was trained."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import Runs, knows, rank_correlation, runs_of, table
from fpc.core.statistics import Array, worst_drop

EXPERIMENT = "apple_retrieval"
CONDITION = re.compile(r"M=(\d+),c=([\d.]+)")
DISTANCE = 30  # M in the paper's comparison of values of c


def _conditions(tables: TablesByExperiment) -> list[tuple[str, float, float]]:
    """(name, M, c) for each condition."""
    names = table(tables[EXPERIMENT], "episodes")["condition"].unique()
    found = [(name, CONDITION.fullmatch(name)) for name in sorted(map(str, names))]
    return [(name, float(match[1]), float(match[2])) for name, match in found if match]


def _drops(tables: TablesByExperiment, context: ClaimContext, condition: str) -> Array:
    """Largest drop of each seed's probability of the right direction in phase 2, as in Figure 10."""
    found = tables[EXPERIMENT]
    knows(runs_of(found, context, "vanilla", probe="phase_2", condition=condition))
    skill = runs_of(
        found, context, "vanilla", measure="correct_probability", probe="phase_2", condition=condition
    )
    return worst_drop(skill.values)


def _ratios(tables: TablesByExperiment, context: ClaimContext, condition: str) -> Array:
    """Logarithm of |b| / |w| for each seed's pi*, as the ratio itself is unbounded."""
    ratios: Runs = runs_of(
        tables[EXPERIMENT], context, "vanilla", measure="weight_ratio", condition=condition
    )
    return np.asarray(np.log(np.maximum(ratios.first, 1e-12)), dtype=np.float64)


Quantity = Callable[[TablesByExperiment, ClaimContext, str], Array]


def _over_distance(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Correlation of forgetting with M, among the conditions with the most frequent c."""
    conditions = _conditions(tables)
    if not conditions:
        raise NotTestable("no condition is named M=...,c=...")
    signals = [signal for _, _, signal in conditions]
    common = max(sorted(set(signals)), key=signals.count)
    chosen = {distance: name for name, distance, signal in conditions if signal == common}
    return rank_correlation({key: _drops(tables, context, name) for key, name in chosen.items()})


def _over_signal(quantity: Quantity) -> Callable[[TablesByExperiment, ClaimContext], Measurement]:
    """Correlation of a quantity with c, at M = 30."""

    def measure(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
        chosen = {signal: name for name, distance, signal in _conditions(tables) if distance == DISTANCE}
        if not chosen:
            raise NotTestable(f"no condition has M = {DISTANCE}")
        return rank_correlation({key: quantity(tables, context, name) for key, name in chosen.items()})

    return measure


CLAIMS = (
    Claim(
        id="apple_larger_distance_more_forgetting",
        domain=EXPERIMENT,
        experiments=(EXPERIMENT,),
        statement="The longer phase 1 (larger M), the more of phase 2 is forgotten.",
        paper_source="Figure 10",
        paper_value="forgetting grows with M",
        quantity="each seed's rank correlation of M with vanilla's worst drop of P(left) in phase 2",
        above=0.0,
        below=None,
        measure=_over_distance,
    ),
    Claim(
        id="apple_smaller_signal_larger_ratio",
        domain=EXPERIMENT,
        experiments=(EXPERIMENT,),
        statement="The smaller c, the larger |b|/|w| of pi*: the phases share more of the policy.",
        paper_source="Figure 11",
        paper_value="ratio falls with c",
        quantity="each seed's rank correlation of c with |b|/|w| before fine-tuning, M = 30 "
        "(initial_range was chosen among two so that the ratio falls)",
        above=None,
        below=0.0,
        measure=_over_signal(_ratios),
    ),
    Claim(
        id="apple_smaller_signal_more_forgetting",
        domain=EXPERIMENT,
        experiments=(EXPERIMENT,),
        statement="The smaller c, the more of phase 2 is forgotten.",
        paper_source="Figure 11",
        paper_value="forgetting falls with c",
        quantity="each seed's rank correlation of c with vanilla's worst drop of P(left) in phase 2, M = 30",
        above=None,
        below=0.0,
        measure=_over_signal(_drops),
    ),
)
