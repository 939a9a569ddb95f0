"""Claims about the taxi. Far is the ride, which pi* knows.

What fine-tuning adds to Close is a cost of wrong drop-offs. So vanilla's loss is what that lesson does to
states which training has not visited, with the same network, entropy and learning rate as in pre-training.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from fpc.claims.claim import ClaimContext, Measurement, NotTestable, TablesByExperiment, claim_of
from fpc.claims.headlines import Headline
from fpc.claims.measures import RATE, Runs, compare, one_sample, runs_of, table
from fpc.claims.scores import Benchmark, last
from fpc.claims.unvisited import before_first_visit

DOMAIN = "taxi"
FAR, VANILLA, BC = "drop_off", "vanilla", "behavioral_cloning"
KNOWN = 0.8  # success on Far that pi* must have
LOST = -0.3  # change of success on Far
KEPT = -0.1
SOURCE = ("Section 1, Figure 2", "the same in the paper's domains")


def known(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Success of pi* on Far in each game; not per seed, as there is one pi*."""
    episodes = table(tables[DOMAIN], "episodes")
    rows = episodes[(episodes["method"] == VANILLA) & (episodes["probe"] == FAR) & (episodes["step"] == 0)]
    return Measurement(rows["value"].to_numpy(dtype=np.float64), unit="game", limits=RATE)


def lost_unseen(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Vanilla's change on Far at the last milestone before training first comes there."""
    runs = before_first_visit(tables[DOMAIN], context, VANILLA, FAR)
    return one_sample(runs.last - runs.first, limits=(-1.0, 1.0))


def at_all_milestones(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """A method's success on Far minus pi*'s on the same games; the claim must hold at every milestone."""
    runs = runs_of(tables[DOMAIN], context, method, probe=FAR)
    changes = runs.values[:, 1:] - runs.first[:, None]
    return Measurement(changes, holds="all", limits=(-1.0, 1.0))


def whole(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """A method's success on whole games."""
    return runs_of(tables[DOMAIN], context, method, probe="whole")


def kept(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """A method's lowest success on Far as a share of pi*'s.

    Raises:
        NotTestable: it does not start from a policy that knows Far.
    """
    runs = runs_of(tables[DOMAIN], context, method, probe=FAR)
    if runs.first.min() < KNOWN:
        raise NotTestable(
            f"it starts at {runs.first.min():.2f} on Far; below {KNOWN} there is too little to forget"
        )
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
HEADLINE = Headline(
    DOMAIN,
    "the taxi",
    "figure_taxi",
    loss="taxi_vanilla_forgets_unseen_far",
    remedy="taxi_bc_above_vanilla",
    main=("taxi_pi_star_knows_far", "taxi_bc_keeps_far"),
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
        "BC's success on Far minus pi*'s, at every milestone",
        partial(at_all_milestones, method=BC),
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
