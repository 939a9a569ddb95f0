"""Figure 17: Montezuma's Revenge with pi* trained from other rooms on."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures.interface import FigureSettings
from fpc.figures.montezuma_curves import draw_curves, method_looks, return_axis, return_curves
from fpc.figures.variants import Variants

TITLE = "Return on Montezuma's Revenge with π* trained from other rooms on"
EXPERIMENTS = ("montezuma_room_*",)
METHODS = ("scratch", "vanilla", "behavioral_cloning")
TABLES = ("episodes", "training")

_variants = Variants(r"_room_(\d+)$", "from Room {} on")


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """As figure 3b's, for each room."""
    return return_curves(tables, settings)


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """A panel a room."""
    names = _variants.ordered(data["experiment"].unique())
    panels = [(_variants.label(name), data[data["experiment"] == name]) for name in names]
    return draw_curves(TITLE, panels, method_looks(data), "method", settings, return_axis)
