"""Measures of Far early in training.

pi* is a flawed copy of a policy that is good everywhere, and some of its games get deep: training visits the
Far level with its first batches, so no milestone lies between the first update and the first visit. Where the
paper argues that Far is lost before it is visited, the level is therefore measured early in training, while
most games still stay on Close. pi* hardly ever finds Sokoban, which can be measured before the first visit.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from fpc.claims.claim import ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import Runs, change, compare, one_sample, table
from fpc.claims.nethack_measures import EXPERIMENT, FAR, SOKOBAN, known, pi_star_in, runs, shares
from fpc.claims.unvisited import before_first_visit
from fpc.core.tables import FIRST_UPDATE

EARLY = 0.1  # of the steps from the first update on


def early_change(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Change from pi* on the Far level early in training, as a share of pi*'s mean."""
    level, found = known(tables, context, FAR), early(tables, context, method)
    return shares(change(found, partial(pi_star_in, tables, FAR)), level, f"at {found.steps[-1]:,} steps")


def early_difference(
    tables: TablesByExperiment, context: ClaimContext, better: str, worse: str
) -> Measurement:
    """Score gained on the Far level early in training, one method minus another, as a share of pi*'s mean."""
    level = known(tables, context, FAR)
    first, second = (early(tables, context, method) for method in (better, worse))
    return shares(compare(first, second), level, f"at {first.steps[-1]:,} steps")


def early(tables: TablesByExperiment, context: ClaimContext, method: str) -> Runs:
    """Gain on the Far level at step 0 and at the last milestone in the first tenth of training.

    Training begins with the first update, after the warm-up.

    Raises:
        NotTestable: no milestone lies there.
    """
    found = runs(tables, context, method, FAR)
    rows = table(tables[EXPERIMENT], "training")
    updates = rows.loc[(rows["method"] == method) & (rows["metric"] == FIRST_UPDATE), "step"]
    begin = int(updates.min()) if len(updates) else 0
    end = begin + EARLY * (int(found.steps[-1]) - begin)
    chosen = np.flatnonzero((found.steps > begin) & (found.steps <= end))
    if not len(chosen):
        raise NotTestable(
            f"{method} has no milestone from its first update, at {begin:,} steps, to {end:,.0f}, the first "
            "tenth of training"
        )
    columns = [0, int(chosen[-1])]
    return replace(found, steps=found.steps[columns], values=found.values[:, columns])


def far_kept(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Score gained on the Far level early in training, as a share of pi*'s mean."""
    level, found = known(tables, context, FAR), early(tables, context, method)
    return one_sample(found.last / level, f"at {found.steps[-1]:,} steps")


def before_sokoban(tables: TablesByExperiment, context: ClaimContext, method: str) -> Measurement:
    """Change from pi* in Sokoban before training first visits it, as a share of pi*'s mean."""
    level = known(tables, context, SOKOBAN)
    found = before_first_visit(tables[EXPERIMENT], context, method, SOKOBAN[0], measure=SOKOBAN[1])
    return shares(change(found, partial(pi_star_in, tables, SOKOBAN)), level, "before the first visit")
