"""Claims about the taxi. Far is the ride, which pi* knows.

The bounds were fixed before the runs that they judge.
"""

from __future__ import annotations

import math
from functools import partial

from fpc.claims.claim import ClaimContext, Measurement, TablesByExperiment, claim_of
from fpc.claims.measures import Runs, before_first_visit, compare, one_sample, runs_of
from fpc.claims.scores import Benchmark, last

DOMAIN = "taxi"
FAR, VANILLA, BC = "drop_off", "vanilla", "behavioral_cloning"
KNOWN = 0.8  # success on Far that pi* must have
LOST = -0.3  # change of success on Far
KEPT = -0.1
SOURCE = ("Section 1, Figure 2", "the same in the paper's domains")


def known(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Success of pi* on Far, on each seed's games."""
    runs = runs_of(tables[DOMAIN], context, VANILLA, probe=FAR)
    return one_sample(runs.first, limits=runs.limits)


def lost_unseen(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Vanilla's change on Far at the last milestone before training first comes there."""
    runs = before_first_visit(tables[DOMAIN], context, VANILLA, FAR)
    return one_sample(runs.last - runs.first, limits=(-1.0, 1.0))


def lowest(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """A method's lowest success on Far minus pi*'s on the same games."""
    runs = runs_of(tables[DOMAIN], context, method, probe=FAR)
    return one_sample(runs.lowest - runs.first, limits=(-1.0, 1.0))


def whole(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """A method's success on whole games."""
    return runs_of(tables[DOMAIN], context, method, probe="whole")


def kept(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """A method's lowest success on Far as a share of pi*'s."""
    runs = runs_of(tables[DOMAIN], context, method, probe=FAR)
    return one_sample(runs.lowest / runs.first, limits=(0.0, math.inf))


def difference(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Success on the whole game at the end, BC minus vanilla."""
    bc, vanilla = (whole(tables, context, method) for method in (BC, VANILLA))
    return compare(bc, vanilla)


BENCHMARK = Benchmark(
    DOMAIN,
    score="success on whole games at the end",
    course=whole,
    take=last,
    kept="lowest success on Far as a share of pi*'s",
    far_kept=kept,
    solved="success on whole games is 0.5 or more",
    threshold=0.5,
)
_claim = partial(claim_of, DOMAIN)
CLAIMS = (
    _claim(
        "pi_star_knows_far",
        "pi* delivers a passenger who is in the taxi.",
        SOURCE,
        "success of pi* on Far",
        known,
        above=KNOWN,
    ),
    _claim(
        "vanilla_forgets_unseen_far",
        "Vanilla fine-tuning loses Far before it first visits it.",
        SOURCE,
        "vanilla's success on Far at the last milestone before its first visit, minus pi*'s",
        lost_unseen,
        below=LOST,
    ),
    _claim(
        "bc_keeps_far",
        "BC keeps Far all along.",
        SOURCE,
        "BC's lowest success on Far minus pi*'s",
        partial(lowest, method=BC),
        above=KEPT,
    ),
    _claim(
        "bc_above_vanilla",
        "BC ends above vanilla on the whole game.",
        SOURCE,
        "success on the whole game at the end, BC minus vanilla",
        difference,
        above=0.0,
    ),
)
