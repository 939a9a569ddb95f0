"""Episodes from few start states: not a sample of start states, so what varies is a round of them."""

from __future__ import annotations

import pandas as pd

FEWEST_STARTS = 5  # fewer are no sample of start states
ROUND = "round"
RUN = ("experiment", "condition", "method", "seed", "probe", "measure", "step")


def are_few(episodes: pd.DataFrame) -> pd.Series:
    """Whether a row's probe has fewer than ``FEWEST_STARTS`` start states; index of the rows."""
    probe = [column for column in ("experiment", "probe") if column in episodes]
    return episodes.groupby(probe, observed=True)["start"].transform("nunique") < FEWEST_STARTS


def with_rounds(episodes: pd.DataFrame) -> pd.DataFrame:
    """Rows with the number of the round: the k-th episodes from all start states of a probe are round k.

    Args:
        episodes: rows of ``episodes.parquet`` with start states.

    Returns:
        The rows with the further column ``round``, without rounds that lack a start state.
    """
    rows = episodes.sort_values("episode")
    run = [column for column in RUN if column in rows]
    rows = rows.assign(**{ROUND: rows.groupby([*run, "start"], observed=True, dropna=False).cumcount()})
    starts = rows.groupby(run, observed=True, dropna=False)["start"].transform("nunique")
    sizes = rows.groupby([*run, ROUND], observed=True, dropna=False)["start"].transform("size")
    return rows[sizes == starts]
