"""Metrics of NetHack games during training: Figures 3a and 14."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures.entry import TrainingMetrics
from fpc.figures.final_games import BY, per_metric
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.panels import draw_panels
from fpc.figures.summary import before_fine_tuning, binned, summarise

CLOSE = "level_1"  # probe of games from the start, at every milestone
COLUMNS = 3


def data(
    entry: TrainingMetrics, tables: Mapping[str, pd.DataFrame], settings: FigureSettings
) -> pd.DataFrame:
    """Means of metrics over the games that a run finished in each 1/25 of the budget, and pi*'s level.

    pi* (method ``pi_star``) is the mean at step 0 of the methods that start from it, in the probe
    ``level_1``; if that was not measured, it is their first bin.

    Returns:
        Columns ``metric, method, step`` (the bin's midpoint), ``seeds, statistic, value, low, high, level``.

    Raises:
        MissingData: no game was finished in training.
    """
    metrics = [metric for metric, _, _ in entry.metrics]
    training = tables["training"]
    rows = training[training["metric"].isin(metrics)]
    if rows.empty:
        raise MissingData(f"no training game with the metrics {', '.join(metrics)}")
    runs = binned(rows, float(training["step"].max()), BY)
    episodes = tables["episodes"]
    start = before_fine_tuning(per_metric(episodes[episodes["probe"] == CLOSE], metrics), BY)
    if start.empty:
        first = runs[runs["step"] == runs["step"].min()]
        start = before_fine_tuning(first.assign(step=0), BY)
    parts = [summarise(part, BY, settings) for part in (runs, start) if not part.empty]
    return pd.concat(parts, ignore_index=True)


def draw(entry: TrainingMetrics, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per metric, with the legend in the remaining space."""
    panels = [
        (heading, label, data[data["metric"] == metric])
        for metric, heading, label in entry.metrics
        if (data["metric"] == metric).any()
    ]
    return draw_panels(entry.title, panels, settings, columns=COLUMNS)
