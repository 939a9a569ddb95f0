"""Figure 3a: return on NetHack in training."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures.interface import FigureSettings
from fpc.figures.nethack_curves import draw_panels, training_curves

TITLE = "Return on NetHack"
EXPERIMENTS = ("nethack",)
METHODS = None
TABLES = ("episodes", "training")


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """The return of games finished in training, in bins of 1/25 of the budget, and pi*'s level."""
    return training_curves(tables, ["return"], settings)


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel."""
    return draw_panels(TITLE, [("", "return", data)], settings, columns=1)
