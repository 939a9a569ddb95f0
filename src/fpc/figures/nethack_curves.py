"""What the figures of NetHack share: metrics in training, final games, panels of curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from fpc.figures import style
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.summary import before_fine_tuning, binned, per_run, summarise

METRICS = {  # as the tables name them, and in words (paper, appendix on NetHack)
    "score": "score",
    "experience_level": "experience level",
    "eating": "nutrition eaten",
    "turns": "turns",
    "staircase": "steps on stairs down",
    "scout": "glyphs newly seen",
    "depth": "deepest dungeon level",
    "gold": "gold moved",
}
CLOSE = "level_1"  # the probe that plays from the start at every milestone
FINAL = "final"  # the probe that plays many games with the first and the last milestone
BY = ["metric", "method"]
PANEL_HEIGHT = 1.55  # inches
FURNITURE_HEIGHT = 1.2  # inches for title, legend, axis label and stamp


def training_curves(
    tables: Mapping[str, pd.DataFrame], metrics: Sequence[str], settings: FigureSettings
) -> pd.DataFrame:
    """Means of metrics over the games that a run finished in each 1/25 of the budget, and pi*'s level.

    pi* (method ``pi_star``) is the mean at step 0 of the methods that start from it, in the probe
    ``level_1``; where that was not measured it is their first bin.

    Returns:
        Columns ``metric, method, step`` (the bin's middle), ``seeds, statistic, value, low, high, level``.

    Raises:
        MissingData: no game was finished in training.
    """
    training = tables["training"]
    rows = training[training["metric"].isin(list(metrics))]
    if rows.empty:
        raise MissingData(f"no training game with the metrics {', '.join(metrics)}")
    runs = binned(rows, float(training["step"].max()), BY)
    episodes = tables["episodes"]
    start = before_fine_tuning(_per_metric(episodes[episodes["probe"] == CLOSE], metrics), BY)
    if start.empty:
        first = runs[runs["step"] == runs["step"].min()]
        start = before_fine_tuning(first.assign(step=0), BY)
    parts = [summarise(part, BY, settings) for part in (runs, start) if not part.empty]
    return pd.concat(parts, ignore_index=True)


def final_runs(episodes: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Mean of each run's final games, one row a metric, method and seed; pi* is the method ``pi_star``.

    Returns:
        Columns ``metric, method, seed, step, value``; no rows where there are no final games.
    """
    runs = _per_metric(episodes[episodes["probe"] == FINAL], metrics)
    return pd.concat([last_step(runs), before_fine_tuning(runs, BY)], ignore_index=True)


def last_step(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of each run's last step; runs that have step 0 alone are left out."""
    last = rows.groupby(["method", "seed"], observed=True)["step"].transform("max")
    return rows[(rows["step"] == last) & (rows["step"] > 0)]


def _per_metric(episodes: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    parts = [per_run(episodes, metric, ["method"]).assign(metric=metric) for metric in metrics]
    return pd.concat(parts, ignore_index=True)


def draw_panels(
    title: str, panels: Sequence[tuple[str, str, pd.DataFrame]], settings: FigureSettings, columns: int
) -> Figure:
    """Curves of all methods with pi*'s level, a panel for each (title, label of the y axis, rows)."""
    columns = min(columns, len(panels))
    lines = ceil(len(panels) / columns)
    with style.theme():
        figure = style.new_figure(lines * (PANEL_HEIGHT if lines > 1 else 2.2) + FURNITURE_HEIGHT)
        grid = figure.subplots(lines, columns, squeeze=False)
        for place, axes in enumerate(grid.flat):
            if place >= len(panels):
                axes.axis("off")
                continue
            heading, label, rows = panels[place]
            draw_lines(axes, rows[rows["statistic"] == settings.statistic])
            axes.set_title(heading)
            axes.set_ylabel(label)
            style.steps_axis(axes, "environment steps" if place + columns >= len(panels) else None)
        handles = _handles(pd.concat([rows for _, _, rows in panels], ignore_index=True))
        if len(panels) < lines * columns:
            grid[-1, -1].legend(handles=handles, loc="center", handlelength=2.4)
        else:
            style.legend_below(figure, handles)
        figure.suptitle(title, x=0.01, ha="left")
        return style.finish(figure, settings)


def draw_lines(axes: Axes, rows: pd.DataFrame) -> None:
    """A line with its interval for each method, a grey one for pi*."""
    for method in style.in_order(set(rows["method"]) - {style.PI_STAR}):
        style.band(axes, rows[rows["method"] == method], style.look_of(method))
    for value in rows.loc[rows["method"] == style.PI_STAR, "value"]:
        axes.axhline(value, color=style.look_of(style.PI_STAR).colour, linewidth=1.2, zorder=1)
    axes.set_xlim(left=0)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(_tick))


def _tick(value: float, _place: int) -> str:
    """2.5k, 800, 0.8: no prefix below a thousand."""
    return EngFormatter(sep="").format_eng(value) if abs(value) >= 1000 else f"{value:g}"


def _handles(rows: pd.DataFrame) -> list[Line2D]:
    methods = style.in_order(set(rows["method"]) - {style.PI_STAR})
    handles = [Line2D([], [], color=look.colour, label=look.label) for look in map(style.look_of, methods)]
    if (rows["method"] == style.PI_STAR).any():
        look = style.look_of(style.PI_STAR)
        handles.append(Line2D([], [], color=look.colour, linewidth=1.2, label=f"{look.label} at step 0"))
    return handles
