"""Figure 10: AppleRetrieval, the longer the way to the apple the more is forgotten."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures import apple_curves, style
from fpc.figures.interface import FigureSettings

TITLE = "Figure 10: AppleRetrieval, distance M of the apple"
EXPERIMENTS = ("apple_retrieval",)
METHODS = ("vanilla",)
TABLES = ("episodes", "training")
SHOWN = ("forgetting", "success", "reached")


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Forgetting, success and reach of phase 2 of the conditions that differ in M alone."""
    table = apple_curves.summary(tables, METHODS[0], "distance", settings)
    return table[table["panel"].isin(SHOWN)].reset_index(drop=True)


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """A panel for each measure, a line for each M."""
    rows = apple_curves.drawn(data, settings)
    with style.theme():
        figure = style.new_figure(3.1)
        panels = figure.subplots(1, len(SHOWN))
        for axes, panel in zip(panels, SHOWN, strict=True):
            apple_curves.draw_panel(axes, rows, panel, "distance", "M")
        style.legend_below(figure, panels[0].get_legend_handles_labels()[0])
        figure.suptitle(f"{TITLE} (c = {rows['signal'].iloc[0]:g})", x=0.01, ha="left")
        return style.finish(figure, settings)
