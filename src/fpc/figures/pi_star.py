"""pi*'s level in a figure, from its own measurement: what varies are games, start states or rounds of few.

The methods that start from pi* have that measurement as their step 0, so their seeds agree there and say
nothing about how well pi* is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from fpc.core.rounds import ROUND, are_few, with_rounds
from fpc.core.tables import NO_START, PI_STAR
from fpc.figures.interface import FigureSettings
from fpc.figures.summary import SEED, summarise
from fpc.retention.registry import load_method

GAME, START_STATE = "game", "start state"
Reduce = Callable[[pd.DataFrame], pd.DataFrame]


def pi_star_level(
    episodes: pd.DataFrame, reduce: Reduce, by: Sequence[str], settings: FigureSettings
) -> pd.DataFrame:
    """pi* as the method ``pi_star``, summarised over its start states, or over its games without any.

    Few start states are taken as they are: what varies is then a round of one episode from each of them.

    Several pi* (one per seed) are summarised over seeds. Without rows of pi* itself, the level is the mean
    of step 0 of the methods that start from it: one pi*, so ``seeds`` is 1 and there is no interval.

    Args:
        episodes: rows of ``episodes.parquet``.
        reduce: makes columns ``by``, ``seed``, ``step``, ``value`` of such rows, where ``seed`` may be the
            number of a game, start state or round.
        by: columns that distinguish lines, including ``method``.
        settings: of the bootstrap.

    Returns:
        As :func:`fpc.figures.summary.summarise`; empty if pi* was not measured.
    """
    parts = [
        summarise(level, by, settings, unit)
        for unit, rows in _by_unit(episodes[episodes["method"] == PI_STAR])
        if not (level := reduce(rows)).empty
    ]
    if not parts and not (level := _step_0(episodes, reduce, by)).empty:
        parts = [summarise(level, by, settings)]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def methods_starting_from_it(rows: pd.DataFrame) -> list[str]:
    """Methods in a table that begin with pi*'s weights."""
    return [name for name in rows["method"].unique() if name != PI_STAR and load_method(name).pretrained]


def _by_unit(own: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """What varies, and pi*'s rows with its number as ``seed``."""
    if own["seed"].nunique() > 1:
        yield SEED, own
    elif not own.empty:
        begins = own["start"] == NO_START
        from_states = own[~begins]
        few = are_few(from_states)
        parts = (
            (GAME, "episode", own[begins]),
            (START_STATE, "start", from_states[~few]),
            (ROUND, ROUND, with_rounds(from_states[few])),
        )
        for unit, column, rows in parts:
            if not rows.empty:
                yield unit, rows.assign(seed=rows[column])


def _step_0(episodes: pd.DataFrame, reduce: Reduce, by: Sequence[str]) -> pd.DataFrame:
    """Mean over seeds, as one row per line: the seeds are copies, or other episodes of the same policy."""
    rows = episodes[episodes["method"].isin(methods_starting_from_it(episodes)) & (episodes["step"] == 0)]
    if rows.empty:
        return pd.DataFrame()
    keys = [*(column for column in by if column != "method"), "step"]
    means = reduce(rows).groupby(keys, observed=True)["value"].mean().reset_index()
    return means.assign(method=PI_STAR, seed=0)
