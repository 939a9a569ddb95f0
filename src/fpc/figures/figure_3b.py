"""Figure 3b: return on Montezuma's Revenge in training."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures.interface import FigureSettings
from fpc.figures.montezuma_curves import draw_curves, method_looks, return_axis, return_curves

TITLE = "Return on Montezuma's Revenge"
EXPERIMENTS = ("montezuma",)
METHODS = None
TABLES = ("episodes", "training")


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """The return of games finished in training, in bins of 1/25 of the budget, and pi*'s from the start."""
    return return_curves(tables, settings)


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel."""
    return draw_curves(TITLE, [("", data)], method_looks(data), "method", settings, return_axis)
