"""Figure 11: AppleRetrieval, the less pi* heeds its observation the more is forgotten."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fpc.figures import apple_curves, style
from fpc.figures.interface import FigureSettings

TITLE = "Figure 11: AppleRetrieval, size c of the observation"
EXPERIMENTS = ("apple_retrieval",)
METHODS = ("vanilla",)
TABLES = ("episodes", "training")
SHOWN = ("weight_ratio", "forgetting", "success")


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Weight ratio of pi*, forgetting and success of the conditions that differ in c alone."""
    table = apple_curves.summary(tables, METHODS[0], "signal", settings)
    return table[table["panel"].isin(SHOWN)].reset_index(drop=True)


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """The weight ratio over c; forgetting and success with a line for each c."""
    rows = apple_curves.drawn(data, settings)
    with style.theme():
        figure = style.new_figure(3.1)
        panels = figure.subplots(1, len(SHOWN))
        _draw_ratio(panels[0], rows[rows["panel"] == "weight_ratio"])
        for axes, panel in zip(panels[1:], SHOWN[1:], strict=True):
            apple_curves.draw_panel(axes, rows, panel, "signal", "c")
        style.legend_below(figure, panels[1].get_legend_handles_labels()[0])
        figure.suptitle(f"{TITLE} (M = {rows['distance'].iloc[0]})", x=0.01, ha="left")
        return style.finish(figure, settings)


def _draw_ratio(axes: Axes, rows: pd.DataFrame) -> None:
    """Both axes logarithmic."""
    rows = rows.sort_values("signal")
    axes.plot(rows["signal"], rows["value"], color="#7F7F7F", linewidth=1.0, zorder=1)
    for signal, colour in apple_curves.colours(rows["signal"]).items():
        row = rows[rows["signal"] == signal]
        axes.vlines(row["signal"], row["low"], row["high"], color=colour)
        axes.plot(row["signal"], row["value"], "o", color=colour)
    axes.set(xscale="log", yscale="log", xlabel="c", title=apple_curves.PANELS["weight_ratio"])
