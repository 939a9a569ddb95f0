"""A map of numbered cells on a grid; within a cell, higher counts are darker."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle


def draw_grid_map(axes: Axes, cells: pd.DataFrame, most: float) -> None:
    """Draw each cell with its number; cells without counts are empty and grey.

    Args:
        axes: the panel to draw in.
        cells: columns ``room`` (the number), ``row``, ``column`` (from 0) and ``counts`` (an array
            ``[height, width]``, bottom row first, or None).
        most: the count with the darkest colour; the colour scale is logarithmic.
    """
    for number, row, column, counts in cells[["room", "row", "column", "counts"]].itertuples(index=False):
        if counts is not None:
            axes.imshow(
                np.log1p(counts)[::-1],
                extent=(column, column + 1.0, row + 1.0, float(row)),
                cmap="Blues",
                vmin=0,
                vmax=np.log1p(most),
                aspect="auto",
                interpolation="nearest",
            )
        edge = "0.8" if counts is None else "0.2"
        axes.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor=edge, linewidth=0.8))
        axes.text(column + 0.06, row + 0.08, str(number), va="top", ha="left", color=edge, fontsize=8)
    axes.set_xlim(-0.05, cells["column"].max() + 1.05)
    axes.set_ylim(cells["row"].max() + 1.05, -0.05)
    axes.set_aspect(0.75)
    axes.axis("off")
