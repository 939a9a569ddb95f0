"""Far before training visits it: what is lost there was not overwritten by learning on Far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from fpc.claims.claim import ClaimContext, Measurement, NotTestable, Tables
from fpc.claims.measures import Runs, by_seed, one_sample, runs_of, table
from fpc.core.tables import FIRST_VISIT

NEVER = np.iinfo(np.int64).max


def first_visits(tables: Tables, method: str, probe: str) -> dict[int, int]:
    """Seed -> environment step at which training first visited the probe's states; absent if it never did.

    Raises:
        NotTestable: the method has no training table, or no method's says anything about the probe.
    """
    rows = table(tables, "training")
    visits = rows[(rows["metric"] == f"{FIRST_VISIT}{probe}")]
    if visits.empty:
        raise NotTestable(f"no training table says when {probe} was first visited")
    if not (rows["method"] == method).any():
        raise NotTestable(f"no training table of {method}")
    visits = visits[(visits["method"] == method) & visits["value"].notna()]
    earliest = visits.groupby("seed", observed=True)["step"].min()
    return dict(zip(map(int, earliest.index.tolist()), map(int, earliest.tolist()), strict=True))


def before_first_visit(
    tables: Tables, context: ClaimContext, method: str, probe: str, measure: str = "success"
) -> Runs:
    """A Far measure at step 0 and at the last milestone before training first visits the probe's states.

    What is lost there was not overwritten by learning on Far: it is forgetting undiluted. ``values`` is
    ``[seeds, 2]``; seeds that visit Far before their first milestone after step 0 are left out.

    Raises:
        NotTestable: fewer than ``context.minimum_seeds`` seeds have a milestone before their first visit.
    """
    runs = runs_of(tables, context, method, measure=measure, probe=probe)
    visits = first_visits(tables, method, probe)
    kept: list[tuple[int, float, float]] = []
    for seed, values in zip(runs.seeds, runs.values, strict=True):
        unvisited = runs.steps[runs.steps < visits.get(seed, NEVER)]
        if len(unvisited) > 1:
            kept.append((seed, values[0], values[len(unvisited) - 1]))
    if len(kept) < context.minimum_seeds:
        raise NotTestable(
            f"{len(kept)} of {len(runs.seeds)} seeds of {method} have a milestone before their first "
            f"visit to {probe}; {context.minimum_seeds} are asked for"
        )
    pairs = np.array([pair for _, *pair in kept], dtype=np.float64)
    seeds = tuple(seed for seed, *_ in kept)
    return replace(runs, steps=np.array([0, 1]), values=pairs, seeds=seeds)


def difference_before_visits(
    tables: Tables, context: ClaimContext, courses: Mapping[str, Runs], probe: str
) -> Measurement:
    """One method minus another, in pairs of seeds, before the first of the two visits the probe's states.

    Both are read at the same step, so that neither has had more time to forget.

    Args:
        tables: of the experiment.
        context: for the number of seeds asked for.
        courses: success of the two methods, by name; the second is subtracted.
        probe: the Far probe.

    Raises:
        NotTestable: budgets differ, or too few pairs have a milestone before the first visit.
    """
    first, second = by_seed(courses, context)
    visits = [first_visits(tables, method, probe) for method in courses]
    gaps = []
    for row, seed in enumerate(first.seeds):
        earliest = min(seen.get(seed, NEVER) for seen in visits)
        last = int((first.steps < earliest).sum()) - 1
        if last > 0:
            gaps.append(first.values[row, last] - second.values[row, last])
    if len(gaps) < context.minimum_seeds:
        raise NotTestable(
            f"{len(gaps)} of {len(first.seeds)} pairs of seeds have a milestone before the first visit "
            f"to {probe}; {context.minimum_seeds} are asked for"
        )
    return one_sample(np.array(gaps, dtype=np.float64), f"{len(gaps)} pairs of seeds, {probe}", (-1.0, 1.0))
