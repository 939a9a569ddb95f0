"""Figure 12: the rooms of Montezuma's Revenge, with the expert's visits."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.core.grid_map import draw_grid_map
from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings, MissingData


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """The expert's visits to cells of 8 x 8 pixels: columns ``room, x, y, visits``.

    Raises:
        MissingData: there are no visits of the expert.
    """
    visits = tables.get("visits")
    if visits is None or visits.empty:
        raise MissingData(f"{entry.title}: the expert left no visits")
    return visits.groupby(["room", "x", "y"], observed=True)["visits"].sum().reset_index()


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings, rooms: pd.DataFrame) -> Figure:
    """The pyramid of rooms; those that the expert never entered are empty.

    ``rooms`` has one row per room: its number, its row and column in the pyramid, and its visits.
    """
    with style.theme():
        figure = style.new_figure(3.9)
        draw_grid_map(figure.subplots(), rooms, float(data["visits"].max()))
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings, interval=False)
