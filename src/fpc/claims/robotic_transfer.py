"""Claims about forward transfer to a known stage after a prefix of one to four new ones, table 6."""

from __future__ import annotations

from functools import partial

import numpy as np

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import by_seed, one_sample
from fpc.claims.robotic_measures import (
    BC,
    DOMAIN,
    EWC,
    NO_BETTER,
    SCRATCH,
    SHORT,
    VANILLA,
    course,
    robotic,
    stage,
)
from fpc.core.statistics import Array, forward_transfer

PREFIXES = (1, 2, 3, 4)
STAGES = {"push_wall": "push-wall", "peg_unplug_side": "peg-unplug-side"}
# The printed values: known stage, method -> prefixes of one to four stages.
PRINTED = {
    ("push_wall", VANILLA): (0.18, 0.17, 0.10, -0.00),
    ("push_wall", EWC): (0.88, 0.65, 0.64, 0.62),
    ("push_wall", BC): (0.93, 0.97, 0.98, 0.97),
    ("peg_unplug_side", VANILLA): (0.28, 0.15, 0.03, 0.03),
    ("peg_unplug_side", EWC): (0.77, 0.55, 0.41, 0.46),
    ("peg_unplug_side", BC): (0.92, 0.95, 0.95, 0.94),
}
NEAR = 0.2  # forward transfer divides by what scratch leaves to gain, so its tolerance is wider
MOST_OF_SCRATCH = 0.8  # area above which scratch leaves too little to gain


def transfer(tables: TablesByExperiment, context: ClaimContext, experiment: str, method: str) -> Array:
    """Forward transfer by pairs of seeds of the method and scratch, ``[seeds]``.

    ``(AUC - AUC_b) / (1 - AUC_b)`` of the means, plus each pair's first-order part, as a run's own ratio has
    an unbounded denominator: the mean is the paper's number, the spread that of both groups (delta method).

    Raises:
        NotTestable: rows are missing, budgets differ, or scratch leaves too little to gain.
    """
    found = tables[experiment]
    probe = stage(found, "last_far")
    courses = {name: course(found, context, name, probe) for name in (method, SCRATCH)}
    ours, base = (runs.average for runs in by_seed(courses, context))
    area, floor = float(ours.mean()), float(base.mean())
    if floor > MOST_OF_SCRATCH:
        raise NotTestable(f"scratch's area is {floor:.2f} in {experiment}: too little to gain")
    slope = (1.0 - area) / (1.0 - floor) ** 2
    value = float(forward_transfer(area, floor))
    return np.asarray(value + (ours - area) / (1.0 - floor) - slope * (base - floor), dtype=np.float64)


def transferred(
    tables: TablesByExperiment, context: ClaimContext, experiment: str, method: str
) -> Measurement:
    """``transfer`` in one experiment."""
    return one_sample(transfer(tables, context, experiment, method))


def over_prefixes(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """``transfer`` after the longest prefix minus that after the shortest; independent runs."""
    names = sorted(tables, key=_prefix)
    longest, shortest = (transfer(tables, context, name, method) for name in (names[-1], names[0]))
    return Measurement(longest, shortest, f"prefix {_prefix(names[-1])} minus {_prefix(names[0])}")


def better_transfer(
    tables: TablesByExperiment, context: ClaimContext, better: str, worse: str
) -> Measurement:
    """``transfer`` averaged over prefixes, one method minus another."""
    first, second = (
        np.mean([transfer(tables, context, name, method) for name in sorted(tables)], axis=0)
        for method in (better, worse)
    )
    return one_sample(first - second)  # both share scratch, so differences within pairs of seeds


def _prefix(experiment: str) -> int:
    return int(experiment.removeprefix(f"{DOMAIN}_prefix_").partition("_")[0])


def _experiments(known: str) -> tuple[str, ...]:
    return tuple(f"{DOMAIN}_prefix_{prefix}_{known}" for prefix in PREFIXES)


def _value(known: str, method: str, prefix: int) -> Claim:
    printed, name = PRINTED[known, method][prefix - 1] + 0.0, f"{DOMAIN}_prefix_{prefix}_{known}"
    return robotic(
        f"transfer_{known}_{SHORT[method].lower()}_{prefix}",
        f"{SHORT[method]}'s forward transfer on {STAGES[known]} after {prefix} stage{'s' * (prefix > 1)}.",
        ("Table 6", f"{printed:.2f}"),
        f"forward transfer (AUC - AUC_b) / (1 - AUC_b), give or take {NEAR:g}",
        partial(transferred, experiment=name, method=method),
        above=printed - NEAR,
        below=printed + NEAR if printed + NEAR < 1.0 else None,
        experiments=(name,),
        kind="level",
    )


def _falls(known: str, method: str) -> Claim:
    values = PRINTED[known, method]
    return robotic(
        f"transfer_{known}_{SHORT[method].lower()}_falls",
        f"The more stages come before {STAGES[known]}, the less {SHORT[method]} transfers.",
        ("Table 6", f"{values[0]:.2f} to {values[-1]:.2f}"),
        "forward transfer after four stages minus that after one",
        partial(over_prefixes, method=method),
        below=0.0,
        experiments=_experiments(known),
    )


def _stays(known: str) -> Claim:
    values = PRINTED[known, BC]
    return robotic(
        f"transfer_{known}_bc_stays",
        f"BC transfers to {STAGES[known]} however many stages come before.",
        ("Table 6", f"{values[0]:.2f} to {values[-1]:.2f}"),
        "forward transfer after four stages minus that after one",
        partial(over_prefixes, method=BC),
        above=-NO_BETTER,
        experiments=_experiments(known),
    )


def _better(known: str, better: str, worse: str) -> Claim:
    return robotic(
        f"transfer_{known}_{SHORT[better].lower()}_above_{SHORT[worse].lower()}",
        f"{SHORT[better]} transfers more to {STAGES[known]} than {SHORT[worse]}.",
        ("Table 6", "at each number of stages"),
        f"forward transfer averaged over one to four stages, {SHORT[better]} minus {SHORT[worse]}",
        partial(better_transfer, better=better, worse=worse),
        above=0.0,
        experiments=_experiments(known),
    )


TRANSFER_CLAIMS = (
    *(_better(known, *pair) for known in STAGES for pair in ((BC, EWC), (EWC, VANILLA))),
    *(_falls(known, method) for known in STAGES for method in (VANILLA, EWC)),
    *(_stays(known) for known in STAGES),
    *(_value(known, method, prefix) for known, method in PRINTED for prefix in PREFIXES),
)
