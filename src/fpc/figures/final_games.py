"""Final games of NetHack, as read by several of its figures and tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fpc.figures.interface import FigureSettings
from fpc.figures.pi_star import pi_star_level
from fpc.figures.summary import per_run, summarise

FINAL = "final"  # probe with many games, at the first and last milestone
BY = ["metric", "method"]


def final_runs(episodes: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Mean over each run's final games, one row per metric, method and seed.

    Returns:
        Columns ``metric, method, seed, step, value``; empty if there are no final games.
    """
    return last_step(per_metric(episodes[episodes["probe"] == FINAL], metrics))


def final_summary(episodes: pd.DataFrame, metrics: Sequence[str], settings: FigureSettings) -> pd.DataFrame:
    """Final games of the methods, over seeds, and of pi* (``pi_star``), over games.

    Returns:
        Columns ``metric, method, step``, then ``SUMMARY``; empty if there are no final games.
    """
    runs, final = final_runs(episodes, metrics), episodes[episodes["probe"] == FINAL]
    level = pi_star_level(final, lambda rows: per_metric(rows, metrics), BY, settings)
    parts = [level] if runs.empty else [summarise(runs, BY, settings), level]
    return pd.concat(parts, ignore_index=True)


def last_step(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of each run's last step; runs with step 0 alone are omitted."""
    last = rows.groupby(["method", "seed"], observed=True)["step"].transform("max")
    return rows[(rows["step"] == last) & (rows["step"] > 0)]


def per_metric(episodes: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Mean of each metric over the episodes of each run and step.

    Returns:
        Columns ``method, seed, step, value, metric``.
    """
    parts = [per_run(episodes, metric, ["method"]).assign(metric=metric) for metric in metrics]
    return pd.concat(parts, ignore_index=True)
