"""A catalogue entry together with the code that draws it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, cast

from fpc.figures.catalogue import figure_entry
from fpc.figures.entry import Entry
from fpc.figures.interface import Animated, Drawing, FigureSettings

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class DrawnFigure:
    """A figure of the catalogue, ready to be drawn.

    ``derived`` are the tables that the entry names as such, by name.
    """

    entry: Entry
    drawing: Drawing

    def data(self, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
        """The plotted data, tidy; ``tables`` hold all experiments of the figure one below the other.

        Raises:
            MissingData: there is nothing to show.
        """
        return self.drawing.data(self.entry, tables, settings)

    def draw(self, data: pd.DataFrame, settings: FigureSettings, **derived: pd.DataFrame) -> Figure:
        """Draw what ``data`` returned."""
        return self.drawing.draw(self.entry, data, settings, **derived)

    def animate(self, data: pd.DataFrame, **derived: pd.DataFrame) -> bytes | None:
        """A GIF of what ``data`` returned, of a figure that also moves."""
        if not isinstance(self.drawing, Animated):
            return None
        return self.drawing.animate(self.entry, data, **derived)


def load_figure(name: str) -> DrawnFigure:
    """A figure of the catalogue with the code of its family, or its own.

    Raises:
        ValueError: there is no such figure; the message lists those there are.
    """
    entry = figure_entry(name)
    return DrawnFigure(entry, cast(Drawing, import_module(entry.module)))
