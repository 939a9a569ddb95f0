"""Figure 12: the rooms of Montezuma's Revenge and where the expert was in them."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.domains.montezuma.rooms_picture import draw_rooms
from fpc.figures import style
from fpc.figures.interface import FigureSettings, MissingData

TITLE = "Rooms of Montezuma's Revenge, numbered in the order of visits"
EXPERIMENTS = ("montezuma",)
METHODS = None
TABLES = ("visits",)


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Visits of the expert to cells of eight by eight pixels: columns ``room, x, y, visits``.

    Raises:
        MissingData: the expert left no visits.
    """
    visits = tables.get("visits")
    if visits is None or visits.empty:
        raise MissingData(f"{TITLE}: the expert left no visits")
    return visits.groupby(["room", "x", "y"], observed=True)["visits"].sum().reset_index()


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """The pyramid; rooms that the expert never saw are empty."""
    with style.theme():
        figure = style.new_figure(3.9)
        draw_rooms(figure.subplots(), data)
        figure.suptitle(TITLE, x=0.01, ha="left")
        return style.finish(figure, settings, interval=False)
