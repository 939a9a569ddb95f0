"""Final games of NetHack, as read by several of its figures and tables."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from fpc.figures.summary import before_fine_tuning, per_run

FINAL = "final"  # probe with many games, at the first and last milestone
BY = ["metric", "method"]


def final_runs(episodes: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Mean over each run's final games, one row per metric, method and seed; pi* is ``pi_star``.

    Returns:
        Columns ``metric, method, seed, step, value``; empty if there are no final games.
    """
    runs = per_metric(episodes[episodes["probe"] == FINAL], metrics)
    return pd.concat([last_step(runs), before_fine_tuning(runs, BY)], ignore_index=True)


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
