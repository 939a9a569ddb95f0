"""A catalogue entry with the code that draws it."""

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
    """A figure of the catalogue with its drawing code.

    ``derived`` holds the tables named in ``entry.derived``, by name.
    """

    entry: Entry
    drawing: Drawing

    def data(self, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
        """The plotted data, tidy; each of ``tables`` is concatenated over the figure's experiments.

        Raises:
            MissingData: there is nothing to show.
        """
        return self.drawing.data(self.entry, tables, settings)

    def draw(self, data: pd.DataFrame, settings: FigureSettings, **derived: pd.DataFrame) -> Figure:
        """Draw the result of ``data``."""
        return self.drawing.draw(self.entry, data, settings, **derived)

    def animate(self, data: pd.DataFrame, **derived: pd.DataFrame) -> bytes | None:
        """A GIF of the result of ``data``; None for a figure without animation, or if it cannot be made."""
        if not isinstance(self.drawing, Animated):
            return None
        return self.drawing.animate(self.entry, data, **derived)


def load_figure(name: str) -> DrawnFigure:
    """A figure of the catalogue with its family's code, or its own.

    Raises:
        ValueError: there is no such figure; the message lists the existing ones.
    """
    entry = figure_entry(name)
    return DrawnFigure(entry, cast(Drawing, import_module(entry.module)))
