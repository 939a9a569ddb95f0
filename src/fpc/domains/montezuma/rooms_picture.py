"""A map of the rooms, drawn from visits."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from fpc.domains.montezuma.rooms import ROOM_OF_RAM, grid_position

WIDE, LOW, HIGH = 20, 15, 32  # cells of eight pixels in a room: x is 0 to 159, y 120 (its floor) to 255


def rooms_picture(visits: pd.DataFrame) -> Figure:
    """The pyramid with all visits; ``visits`` has the columns room, x, y, visits."""
    figure = Figure(figsize=(6.75, 3.4), layout="constrained")
    draw_rooms(figure.subplots(), visits)
    return figure


def draw_rooms(axes: Axes, visits: pd.DataFrame) -> None:
    """All 24 rooms with their numbers in the order of visits; darker where the search was more often."""
    darkest = np.log1p(float(visits["visits"].max())) if len(visits) else 1.0
    for room in sorted(ROOM_OF_RAM.values()):
        row, column = grid_position(room)
        picture = np.zeros((HIGH - LOW, WIDE))
        rows = visits[visits["room"] == room]
        places = (rows["y"].clip(LOW, HIGH - 1) - LOW, rows["x"].clip(0, WIDE - 1))
        np.add.at(picture, places, rows["visits"])
        extent = (column, column + 1.0, row + 1.0, float(row))
        if len(rows):
            axes.imshow(
                np.log1p(picture)[::-1],
                extent=extent,
                cmap="Blues",
                vmin=0,
                vmax=darkest,
                aspect="auto",
                interpolation="nearest",
            )
        edge = "0.2" if len(rows) else "0.8"
        axes.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=edge, linewidth=0.8))
        axes.text(column + 0.06, row + 0.08, str(room), va="top", ha="left", color=edge, fontsize=8)
    axes.set_xlim(-0.05, 9.05)
    axes.set_ylim(4.05, -0.05)
    axes.set_aspect(0.75)
    axes.axis("off")
