"""Figure 6: success in Room 7 of Montezuma's Revenge in fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures.interface import FigureSettings
from fpc.figures.montezuma_curves import draw_curves, method_looks, success_axis, success_curves

TITLE = "Success in the room that Far begins with, on Montezuma's Revenge"
EXPERIMENTS = ("montezuma",)
METHODS = None
TABLES = ("episodes",)


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Success (a coin, an item or another way out) from start states in the room; pi*, a random policy."""
    return success_curves(tables, settings)


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel; its title is the room's number."""
    probes = sorted(set(data["probe"]) - {"random"})
    title = ", ".join(str(probe).replace("room_", "Room ") for probe in probes)
    return draw_curves(TITLE, [(title, data)], method_looks(data), "method", settings, success_axis)
