"""Every seed's outcome: no average hides a run that failed."""

from __future__ import annotations

import pandas as pd

KEYS = ["experiment", "condition", "method", "probe"]


def seeds_table(episodes: pd.DataFrame, measure: str = "success", instead: str = "score") -> pd.DataFrame:
    """A measure of each seed at its last step, the mean over episodes.

    Args:
        episodes: rows of ``episodes.parquet`` of any number of experiments.
        measure: the measure to show.
        instead: the measure of experiments that have no such measure (NetHack).

    Returns:
        Columns ``experiment, condition, method, probe, seed, step, value``, sorted.
    """
    rows = episodes[episodes["measure"] == measure]
    if "experiment" in episodes:
        others = ~episodes["experiment"].isin(rows["experiment"].unique())
        rows = pd.concat([rows, episodes[others & (episodes["measure"] == instead)]], ignore_index=True)
    columns = [*KEYS, "seed", "step", "value"]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    rows = rows.assign(condition=rows["condition"].fillna("") if "condition" in rows else "")
    last = rows.groupby([*KEYS, "seed"], observed=True)["step"].transform("max")
    final = rows[rows["step"] == last]
    means = final.groupby([*KEYS, "seed", "step"], observed=True)["value"].mean().reset_index()
    return means.sort_values([*KEYS, "seed"], ignore_index=True)[columns]
