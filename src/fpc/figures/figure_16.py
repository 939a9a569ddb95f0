"""Figure 16: how deep games are after so many turns, of the expert, pi* and all methods."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures.dungeon_density import density, draw_density
from fpc.figures.interface import FigureSettings

TITLE = "Deepest dungeon level over turns, all methods"
EXPERIMENTS = ("nethack",)
METHODS = None
TABLES = ("episodes", "dungeon", "expert_games", "expert_dungeon")


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Cells with the share of games in each, and the mean depth at the end."""
    return density(tables, settings, TITLE)


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """A panel a player."""
    return draw_density(data, settings, TITLE)
