"""Reduce tables to one number per seed, and those to a number with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from fpc.claims.claim import ClaimContext, Measurement, NotTestable, Tables
from fpc.core.statistics import (
    Array,
    Estimate,
    Statistic,
    bootstrap_estimate,
    difference_of,
    interquartile_mean,
)


@dataclass(frozen=True)
class Runs:
    """A measure of all seeds of one method; ``values`` is ``[seeds, steps]``."""

    steps: NDArray[np.int64]
    values: Array

    @property
    def first(self) -> Array:
        """Values before the first update, ``[seeds]``."""
        return self.values[:, 0]

    @property
    def last(self) -> Array:
        """Values at the last step, ``[seeds]``."""
        return self.values[:, -1]

    @property
    def average(self) -> Array:
        """Mean over the steps, ``[seeds]``."""
        return np.asarray(self.values.mean(axis=1), dtype=np.float64)


def table(tables: Tables, name: str) -> pd.DataFrame:
    """Look up a table.

    Raises:
        NotTestable: it is missing or empty.
    """
    found = tables.get(name)
    if found is None or found.empty:
        raise NotTestable(f"the table {name} is missing")
    return found


def far_probe(tables: Tables, prefix: str) -> str:
    """Name of the only Far probe that begins with ``prefix``.

    Raises:
        NotTestable: there is none, or more than one.
    """
    episodes = table(tables, "episodes")
    names = episodes.loc[episodes["group"] == "far", "probe"].unique()
    found = sorted(str(name) for name in names if str(name).startswith(prefix))
    if len(found) != 1:
        raise NotTestable(f"Far is one probe {prefix}<k>; found {', '.join(found) or 'none'}")
    return found[0]


def runs_of(
    tables: Tables,
    context: ClaimContext,
    method: str,
    *,
    measure: str = "success",
    group: str | None = None,
    probe: str | None = None,
    condition: str | None = None,
) -> Runs:
    """A measure over steps, averaged over episodes and then over the probes of a group.

    Raises:
        NotTestable: there are no such rows, or fewer than ``context.minimum_seeds`` seeds.
    """
    rows = table(tables, "episodes")
    rows = rows[(rows["method"] == method) & (rows["measure"] == measure)]
    for column, wanted in (("group", group), ("probe", probe), ("condition", condition)):
        if wanted is not None:
            rows = rows[rows[column] == wanted]
    if rows.empty:
        where = ", ".join(part for part in (group, probe, condition) if part)
        raise NotTestable(f"no {measure} of {method}{f' ({where})' if where else ''}")
    by_probe = rows.groupby(["seed", "step", "probe"], observed=True)["value"].mean()
    return _pivot(by_probe.groupby(["seed", "step"]).mean().reset_index(), context, method)


def last_layer_cka(tables: Tables, context: ClaimContext, method: str, network: str) -> Runs:
    """CKA of a network's last hidden layer with pi*'s, averaged over stages.

    Raises:
        NotTestable: the table, the method or seeds are missing.
    """
    rows = table(tables, "representation")
    rows = rows[(rows["method"] == method) & (rows["network"] == network) & rows["cka"].notna()]
    if rows.empty:
        raise NotTestable(f"no representations of {method}'s {network}")
    rows = rows[rows["layer"] == rows["layer"].max()]
    means = rows.groupby(["seed", "step"], observed=True)["cka"].mean().rename("value").reset_index()
    return _pivot(means, context, method)


def at_least_steps(runs: Runs, steps: int) -> None:
    """Reject runs that are too short for the claim.

    Raises:
        NotTestable: the runs end before ``steps``.
    """
    if runs.steps[-1] < steps:
        raise NotTestable(f"runs end at {runs.steps[-1]:,} steps; the claim speaks of {steps:,}")


def same_budget(first: Runs, second: Runs) -> None:
    """Reject a comparison of runs with different steps.

    Raises:
        NotTestable: their steps differ.
    """
    if not np.array_equal(first.steps, second.steps):
        raise NotTestable(
            f"budgets or milestones differ ({first.steps[-1]:,} and {second.steps[-1]:,} steps)"
        )


def knows(runs: Runs, least: float = 0.9) -> None:
    """Reject a claim about forgetting what pi* could not do.

    Raises:
        NotTestable: the mean before the first update is below ``least``.
    """
    if (start := float(runs.first.mean())) < least:
        raise NotTestable(f"pi* starts at {start:.2f} on Far; below {least:g} there is too little to forget")


def one_sample(values: Array, context: ClaimContext, note: str = "") -> Measurement:
    """Interquartile mean over seeds."""
    return Measurement(_bootstrap([values], interquartile_mean, context), len(values), note)


def difference(first: Array, second: Array, context: ClaimContext, note: str = "") -> Measurement:
    """Interquartile mean of the first minus that of the second; each one's seeds are resampled separately."""
    statistic = difference_of(len(first), interquartile_mean)
    seeds = min(len(first), len(second))
    return Measurement(_bootstrap([first, second], statistic, context), seeds, note)


def rank_correlation(groups: Mapping[float, Array], context: ClaimContext) -> Measurement:
    """Interquartile mean over seeds of the Spearman correlation between a quantity and an option.

    Args:
        groups: value of the option -> quantity ``[seeds]``, with seeds in the same order.
        context: level, resamples and seed of the bootstrap over seeds.

    The correlation of a seed whose quantity is constant counts as 0.

    Raises:
        NotTestable: the option has fewer than two values, or their numbers of seeds differ.
    """
    options = sorted(groups)
    if len(options) < 2:
        raise NotTestable(f"one value of the option only: {', '.join(f'{key:g}' for key in options)}")
    if len({len(values) for values in groups.values()}) > 1:
        raise NotTestable("values of the option differ in their number of seeds")
    ranks = rankdata(np.stack([groups[key] for key in options], axis=1), axis=1) - (len(options) + 1) / 2
    option_ranks = np.arange(len(options)) - (len(options) - 1) / 2
    scale = np.linalg.norm(ranks, axis=1) * np.linalg.norm(option_ranks)
    by_seed: Array = np.divide(ranks @ option_ranks, scale, out=np.zeros(len(ranks)), where=scale > 0)
    return one_sample(by_seed, context, f"values {', '.join(f'{key:g}' for key in options)}")


def listed(values: Array) -> str:
    """Every seed's number, as text."""
    return ", ".join(f"{value:.3g}" for value in values)


def _bootstrap(strata: list[Array], statistic: Statistic, context: ClaimContext) -> Estimate:
    return bootstrap_estimate(
        strata, statistic, level=context.level, resamples=context.resamples, seed=context.seed
    )


def _pivot(rows: pd.DataFrame, context: ClaimContext, method: str) -> Runs:
    wide = rows.pivot_table(index="seed", columns="step", values="value").dropna(axis=1)
    if len(wide) < context.minimum_seeds:
        raise NotTestable(f"{method} has {len(wide)} seed(s); {context.minimum_seeds} are asked for")
    if wide.shape[1] < 2:
        raise NotTestable(f"{method} has fewer than two steps that all its seeds share")
    return Runs(wide.columns.to_numpy(dtype=np.int64), wide.to_numpy(dtype=np.float64))
