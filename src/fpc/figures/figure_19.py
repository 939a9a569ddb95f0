"""Figure 19: behavioural cloning on Montezuma's Revenge with a smaller memory of pi*'s states."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures import style
from fpc.figures.interface import FigureSettings
from fpc.figures.montezuma_curves import draw_curves, return_axis, return_curves
from fpc.figures.variants import Variants

TITLE = "Behavioural cloning on Montezuma's Revenge with a smaller memory of π*'s states"
EXPERIMENTS = ("montezuma_memory_*",)
METHODS = ("behavioral_cloning",)
TABLES = ("episodes", "training")

_variants = Variants(r"_memory_(\d+)$", "{} states")


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """As figure 3b's, for each size."""
    return return_curves(tables, settings)


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel, a line a size."""
    names = _variants.ordered(data["experiment"].unique())
    looks = dict(zip(names, style.ordered_looks([_variants.label(name) for name in names]), strict=True))
    rows = data[data["method"] != style.PI_STAR]
    return draw_curves(TITLE, [("", rows)], looks, "experiment", settings, return_axis)
