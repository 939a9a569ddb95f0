"""Summary statistics: from one row per run and step to one row per statistic and step."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import cast

import numpy as np
import pandas as pd

from fpc.core.statistics import bootstrap_curve, interquartile_mean, mean
from fpc.figures import style
from fpc.figures.interface import PAPER_LEVEL, FigureSettings, MissingData
from fpc.retention.registry import load_method

BINS = 25  # of the budget, unless a figure names the width of its bins


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


def before_fine_tuning(runs: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """pi* as the method ``pi_star``: step 0 of the methods that start from it, one row per seed.

    Args:
        runs: the result of ``per_run``.
        by: its columns that distinguish lines, including ``method``.

    Returns:
        Columns ``by``, ``seed``, ``step``, ``value``; empty if no method starts from pi*.
    """
    starting = [name for name in runs["method"].unique() if load_method(name).pretrained]
    rows = runs[runs["method"].isin(starting) & (runs["step"] == 0)]
    keys = [column for column in by if column != "method"]
    before = rows.groupby([*keys, "seed", "step"], observed=True)["value"].mean().reset_index()
    return before.assign(method=style.PI_STAR)


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


def summarise(runs: pd.DataFrame, by: Sequence[str], settings: FigureSettings) -> pd.DataFrame:
    """Mean with the paper's 90 % interval and interquartile mean with the interval of ``settings.level``.

    Args:
        runs: columns ``by``, ``seed``, ``step``, ``value``; one row per run and step.
        by: columns that distinguish lines.
        settings: level, resamples and seed of the bootstrap over seeds.

    Returns:
        Columns ``by``, ``step``, ``seeds`` (how many), ``statistic`` (mean or iqm), ``value``, ``low``,
        ``high`` (NaN with one seed), ``level``.

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
            part = _statistics(block, settings)
            for index, column in enumerate(by):
                part.insert(index, column, cast(tuple[str, ...], key)[index])
            parts.append(part)
    result = pd.concat(parts, ignore_index=True)
    return result.sort_values([*by, "statistic", "step"], ignore_index=True)


def _statistics(block: pd.DataFrame, settings: FigureSettings) -> pd.DataFrame:
    rows = []
    for name, statistic, level in (
        ("mean", mean, PAPER_LEVEL),
        ("iqm", interquartile_mean, settings.level),
    ):
        curve = bootstrap_curve(
            block.to_numpy(), statistic, level=level, resamples=settings.resamples, seed=settings.seed
        )
        columns = {"value": curve.value, "low": curve.low, "high": curve.high}
        rows.append(
            pd.DataFrame(
                {"step": block.columns, "seeds": len(block), "statistic": name, **columns, "level": level}
            )
        )
    return pd.concat(rows, ignore_index=True)
