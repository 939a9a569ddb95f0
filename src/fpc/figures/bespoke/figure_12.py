"""Figure 12: the rooms of Montezuma's Revenge and where the expert was in them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.core.grid_map import draw_grid_map
from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings, MissingData


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Visits of the expert to cells of eight by eight pixels: columns ``room, x, y, visits``.

    Raises:
        MissingData: the expert left no visits.
    """
    visits = tables.get("visits")
    if visits is None or visits.empty:
        raise MissingData(f"{entry.title}: the expert left no visits")
    return visits.groupby(["room", "x", "y"], observed=True)["visits"].sum().reset_index()


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings, rooms: pd.DataFrame) -> Figure:
    """The pyramid; rooms that the expert never saw are empty.

    ``rooms`` has a row a room: its number, its row and column in the pyramid, and the visits in it.
    """
    with style.theme():
        figure = style.new_figure(3.9)
        draw_grid_map(figure.subplots(), rooms, float(data["visits"].max()))
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings, interval=False)
