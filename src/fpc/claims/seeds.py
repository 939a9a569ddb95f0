"""Every seed's outcome, so that no average hides a failed run."""

from __future__ import annotations

import pandas as pd

KEYS = ["experiment", "condition", "method", "probe", "measure"]
MEASURES = ("success", "score", "return")


def seeds_table(episodes: pd.DataFrame) -> pd.DataFrame:
    """Outcome of each seed at its last step, averaged over episodes.

    Args:
        episodes: rows of ``episodes.parquet`` of any number of experiments.

    Returns:
        Columns ``experiment, condition, method, probe, measure, seed, step, value``, sorted. Each
        probe is represented by the first of ``MEASURES`` that it has.
    """
    columns = [*KEYS, "seed", "step", "value"]
    rows = episodes[episodes["measure"].isin(MEASURES)]
    if rows.empty:
        return pd.DataFrame(columns=columns)
    rows = rows.assign(condition=rows["condition"].fillna("") if "condition" in rows else "")
    rank = rows["measure"].map(MEASURES.index)
    rows = rows[rank == rank.groupby([rows["experiment"], rows["probe"]]).transform("min")]
    last = rows.groupby([*KEYS, "seed"], observed=True)["step"].transform("max")
    final = rows[rows["step"] == last]
    means = final.groupby([*KEYS, "seed", "step"], observed=True)["value"].mean().reset_index()
    return means.sort_values([*KEYS, "seed"], ignore_index=True)[columns]
