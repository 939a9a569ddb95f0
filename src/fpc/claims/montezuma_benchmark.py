"""What methods are compared by in Montezuma's Revenge: the return, and success in the Far room."""

from __future__ import annotations

from dataclasses import replace

from fpc.claims.claim import ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import Runs, far_probe, one_sample, pi_star_by_start
from fpc.claims.montezuma_measures import (
    EXPERIMENT,
    FIRST_KEY,
    KNOWN,
    ROOM,
    ending,
    known_beyond_random,
    returns,
    unvisited,
)
from fpc.claims.scores import VANILLA, Benchmark


def above_pi_star(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """Return of the games minus pi*'s, which is vanilla's at step 0."""
    found, pi_star = returns(tables, context, method), returns(tables, context, VANILLA)
    return replace(found, values=found.values - pi_star.first.mean())


def far_kept(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Success in the Far room before training first visits it, as a share of pi*'s.

    Raises:
        NotTestable: the method does not start from a pi* that is better than a random policy in the room.
    """
    runs = unvisited(tables, context, method)
    found = tables[EXPERIMENT]
    gain = known_beyond_random(tables, context).effect
    random = float(pi_star_by_start(found, probe=far_probe(found, ROOM)).first.mean()) - gain
    start = float(runs.first.mean())
    if start - random < KNOWN:
        raise NotTestable(
            f"{method} starts at {start:.2f} in the room, a random policy is at {random:.2f}: "
            "too little to forget"
        )
    return one_sample(runs.last / start, limits=(0.0, 1.0 / start))


BENCHMARK = Benchmark(
    EXPERIMENT,
    score="return from where games begin, points, mean over the last fifth of training",
    course=returns,
    take=ending,
    kept="success in Room 7 at the last milestone before training first visits it, as a share of pi*'s",
    far_kept=far_kept,
    solved=f"return from where games begin is {FIRST_KEY:g} points, a key, above pi*'s",
    threshold=FIRST_KEY,
    progress=above_pi_star,
)
