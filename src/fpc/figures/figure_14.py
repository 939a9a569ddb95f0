"""Figure 14: eight metrics of NetHack games in training."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures.interface import FigureSettings
from fpc.figures.nethack_curves import METRICS, draw_panels, training_curves

TITLE = "Metrics of NetHack games in training"
EXPERIMENTS = ("nethack",)
METHODS = None
TABLES = ("episodes", "training")


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Each metric of games finished in training, in bins of 1/25 of the budget, and pi*'s level."""
    return training_curves(tables, list(METRICS), settings)


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """A panel a metric, the legend in the place that is left."""
    shown = [name for name in METRICS if (data["metric"] == name).any()]
    panels = [(METRICS[name], "", data[data["metric"] == name]) for name in shown]
    return draw_panels(TITLE, panels, settings, columns=3)
