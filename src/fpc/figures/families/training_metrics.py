"""Metrics of NetHack games during training: Figures 3a and 14."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures.entry import TrainingMetrics
from fpc.figures.final_games import BY, per_metric
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.panels import draw_panels
from fpc.figures.pi_star import pi_star_level
from fpc.figures.summary import BIN_STEPS, after_warm_up, binned, summarise

CLOSE = "level_1"  # probe of games from the start, at every milestone
COLUMNS = 3


def data(
    entry: TrainingMetrics, tables: Mapping[str, pd.DataFrame], settings: FigureSettings
) -> pd.DataFrame:
    """Means of metrics over the games that a run finished in each bin of the budget, and pi*'s level.

    Bins are 5M steps wide, as in the paper, or 1/25 of a budget below 125M steps. Steps count from the first
    update: the warm-up, in which a run only samples, is subtracted and its games are left out.

    pi* (method ``pi_star``) is the mean over its own games in the probe ``level_1``.

    Returns:
        Columns ``metric, method, step`` (the bin's midpoint), then ``SUMMARY``.

    Raises:
        MissingData: no game was finished in training.
    """
    metrics = [metric for metric, _, _ in entry.metrics]
    training = tables["training"]
    if not training["metric"].isin(metrics).any():
        raise MissingData(f"no training game with the metrics {', '.join(metrics)}")
    rows, budget = after_warm_up(training, metrics)
    if rows.empty:
        raise MissingData("no training game finished after the warm-up")
    runs = binned(rows, budget, BY, width=BIN_STEPS)
    episodes = tables["episodes"]
    games = episodes[episodes["probe"] == CLOSE]
    level = pi_star_level(games, lambda rows: per_metric(rows, metrics), BY, settings)
    return pd.concat([summarise(runs, BY, settings), level], ignore_index=True)


def draw(entry: TrainingMetrics, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per metric, with the legend in the remaining space."""
    panels = [
        (heading, label, data[data["metric"] == metric])
        for metric, heading, label in entry.metrics
        if (data["metric"] == metric).any()
    ]
    return draw_panels(entry.title, panels, settings, columns=COLUMNS)
