"""Panels with curves of all methods and pi*'s level, for NetHack's figures."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from fpc.figures import style
from fpc.figures.interface import FigureSettings

PANEL_HEIGHT = 1.55  # inches
FURNITURE_HEIGHT = 1.2  # inches, for title, legend, axis label and stamp


def draw_panels(
    title: str, panels: Sequence[tuple[str, str, pd.DataFrame]], settings: FigureSettings, columns: int
) -> Figure:
    """Curves of all methods with pi*'s level, one panel per (title, y-axis label, rows)."""
    columns = min(columns, len(panels))
    lines = ceil(len(panels) / columns)
    with style.theme():
        figure = style.new_figure(lines * (PANEL_HEIGHT if lines > 1 else 2.2) + FURNITURE_HEIGHT)
        grid = figure.subplots(lines, columns, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(panels):
                axes.axis("off")
                continue
            heading, label, rows = panels[index]
            draw_lines(axes, rows[rows["statistic"] == settings.statistic])
            axes.set_title(heading)
            axes.set_ylabel(label)
            style.steps_axis(axes, "environment steps" if index + columns >= len(panels) else None)
        handles = _handles(pd.concat([rows for _, _, rows in panels], ignore_index=True))
        if len(panels) < lines * columns:
            style.legend_in(grid[-1, -1], handles)
        else:
            style.legend_below(figure, handles)
        figure.suptitle(title, x=0.01, ha="left")
        return style.finish(figure, settings)


def draw_lines(axes: Axes, rows: pd.DataFrame) -> None:
    """A line with its interval for each method, and a grey line for pi*."""
    for method in style.in_order(set(rows["method"]) - {style.PI_STAR}):
        style.band(axes, rows[rows["method"] == method], style.look_of(method))
    style.level(axes, rows[rows["method"] == style.PI_STAR], style.look_of(style.PI_STAR))
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))


def _tick(value: float, _index: int) -> str:
    """Format a number as 2.5k, 800 or 0.8, without prefix below a thousand."""
    return EngFormatter(sep="").format_eng(value) if abs(value) >= 1000 else f"{value:g}"


def _handles(rows: pd.DataFrame) -> list[Line2D]:
    methods = style.in_order(set(rows["method"]) - {style.PI_STAR})
    handles = [Line2D([], [], color=look.colour, label=look.label) for look in map(style.look_of, methods)]
    if (rows["method"] == style.PI_STAR).any():
        look = style.look_of(style.PI_STAR)
        handles.append(Line2D([], [], color=look.colour, linewidth=1.2, label=look.label))
    return handles
