"""Summary statistics: from one row per run and step to one row per statistic and step."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil
from typing import cast

import numpy as np
import pandas as pd

from fpc.core.statistics import bootstrap_curve, interquartile_mean, mean
from fpc.core.tables import FIRST_UPDATE
from fpc.figures.interface import PAPER_LEVEL, FigureSettings, MissingData

SEED = "seed"  # what intervals are over, except pi*'s
SUMMARY = ["seeds", "units", "unit", "statistic", "value", "low", "high", "level"]
BINS = 25  # of the budget, unless a figure names the width of its bins
BIN_STEPS = 5_000_000  # environment steps, as in the paper's figure 3a


def per_run(episodes: pd.DataFrame, measure: str, by: Sequence[str]) -> pd.DataFrame:
    """Mean of a measure over the episodes of each run and step.

    Args:
        episodes: rows of ``episodes.parquet``.
        measure: the measure to average.
        by: columns that distinguish lines; ``seed`` and ``step`` are added.

    Returns:
        Columns ``by``, ``seed``, ``step``, ``value``.
    """
    rows = episodes[episodes["measure"] == measure]
    return rows.groupby([*by, "seed", "step"], observed=True)["value"].mean().reset_index()


def after_warm_up(training: pd.DataFrame, metrics: Collection[str]) -> tuple[pd.DataFrame, float]:
    """Training rows of these metrics with steps counted from their run's first update, and the budget.

    Rows before it are left out: in the warm-up a run only samples. Runs that log no update keep their steps.
    """
    run = ["method", "seed"]
    kept = training[training["metric"].isin([*metrics, FIRST_UPDATE])]
    updates = kept[kept["metric"] == FIRST_UPDATE]
    first = updates.groupby(run, observed=True)["step"].min().rename("first").reset_index()
    rows = kept.merge(first, on=run, how="left")
    rows["step"] -= rows.pop("first").fillna(0).astype("int64")
    budget = float(rows["step"].max()) if len(rows) else 0.0
    return rows[(rows["step"] >= 0) & rows["metric"].isin(metrics)], budget


def binned(
    rows: pd.DataFrame,
    last: float,
    by: Sequence[str],
    statistic: str = "mean",
    width: float | None = None,
) -> pd.DataFrame:
    """Mean (or sum) of ``value`` in each bin of the budget, per run and bin; ``step``: the bin's midpoint.

    Args:
        rows: columns ``by``, ``seed``, ``step``, ``value``.
        last: the budget in environment steps.
        by: columns that distinguish lines.
        statistic: mean or sum.
        width: environment steps of a bin, if that gives at least 25 bins; else there are 25.
    """
    count = BINS
    if width is not None and last >= width * BINS:
        count = ceil(last / width)
    else:
        width = max(last, 1.0) / BINS
    index = np.minimum(rows["step"] // width, count - 1)
    moved = rows.assign(step=(index + 0.5) * width)
    groups = moved.groupby([*by, "seed", "step"], observed=True)["value"]
    return groups.agg(statistic).reset_index()


def summarise(
    runs: pd.DataFrame, by: Sequence[str], settings: FigureSettings, unit: str = SEED
) -> pd.DataFrame:
    """Mean with the paper's 90 % interval and interquartile mean with the interval of ``settings.level``.

    Units other than seeds are one policy's: their number of seeds is 1, and they are averaged, not trimmed,
    because the middle half of games that succeed or fail is no rate.

    Args:
        runs: columns ``by``, ``seed``, ``step``, ``value``; one row per run and step.
        by: columns that distinguish lines.
        settings: level, resamples and seed of the bootstrap.
        unit: what the column ``seed`` numbers, which is what the bootstrap resamples.

    Returns:
        Columns ``by`` and ``step``, then ``SUMMARY``: ``seeds`` (how many), ``units`` and ``unit`` (how many
        of what the interval is over), ``statistic`` (mean or iqm), ``value``, ``low``, ``high`` (NaN with one
        unit), ``level``.

    Raises:
        MissingData: there are no rows.
    """
    if runs.empty:
        raise MissingData("no rows to summarise")
    parts = []
    for key, group in runs.groupby(list(by), observed=True, sort=True):
        table = group.pivot_table(index="seed", columns="step", values="value")
        # Unfinished runs have fewer steps, so steps with the same seeds are summarised together.
        patterns, pattern_of_step = np.unique(table.notna().to_numpy(), axis=1, return_inverse=True)
        for number, pattern in enumerate(patterns.T):
            block = table.loc[pattern, pattern_of_step == number]
            part = _statistics(block, settings, unit)
            for index, column in enumerate(by):
                part.insert(index, column, cast(tuple[str, ...], key)[index])
            parts.append(part)
    result = pd.concat(parts, ignore_index=True)
    return result.sort_values([*by, "statistic", "step"], ignore_index=True)


def _statistics(block: pd.DataFrame, settings: FigureSettings, unit: str) -> pd.DataFrame:
    rows = []
    of_seeds = unit == SEED
    for name, statistic, level in (
        ("mean", mean, PAPER_LEVEL),
        ("iqm", interquartile_mean if of_seeds else mean, settings.level),
    ):
        curve = bootstrap_curve(
            block.to_numpy(), statistic, level=level, resamples=settings.resamples, seed=settings.seed
        )
        counts = {"seeds": len(block) if of_seeds else 1, "units": len(block), "unit": unit}
        values = {"value": curve.value, "low": curve.low, "high": curve.high, "level": level}
        rows.append(pd.DataFrame({"step": block.columns, **counts, "statistic": name, **values}))
    return pd.concat(rows, ignore_index=True)
