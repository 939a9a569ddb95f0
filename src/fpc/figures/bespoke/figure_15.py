"""Figure 15: the distribution of returns over games."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.final_games import FINAL, last_step
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.pi_star import pi_star_level
from fpc.figures.summary import summarise

INTERVALS = 30  # of equal width in the return
TAIL = 0.995  # games above this quantile of all returns are counted in the last interval
COLUMNS = 3


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Fraction of a run's final games in each interval of the return.

    Columns ``method, return`` (the interval's midpoint), ``width``, then ``SUMMARY``; pi* is the method
    ``pi_star``, whose interval is over games.

    Raises:
        MissingData: there are no final games.
    """
    episodes = tables["episodes"]
    games = episodes[(episodes["probe"] == FINAL) & (episodes["measure"] == "score")]
    if games.empty:
        raise MissingData(f"{entry.title}: no final games")
    least, most = float(games["value"].min()), float(games["value"].quantile(TAIL))
    edges = np.linspace(least, max(most, least + 1.0), INTERVALS + 1)
    by = ["method"]

    def shares(rows: pd.DataFrame) -> pd.DataFrame:
        # ``summarise`` takes its x axis from the column step; here it is the return.
        found = rows.groupby([*by, "seed"], observed=True)["value"].apply(_shares, edges=edges)
        return found.rename_axis([*by, "seed", "step"]).reset_index()

    last = last_step(games)
    parts = [pi_star_level(games, shares, by, settings)]
    parts += [] if last.empty else [summarise(shares(last), by, settings)]
    if all(part.empty for part in parts):
        raise MissingData(f"{entry.title}: no final games after fine-tuning, and none of pi*")
    result = pd.concat(parts, ignore_index=True).rename(columns={"step": "return"})
    return result.assign(width=edges[1] - edges[0])


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per method, with pi*'s distribution behind it."""
    rows = data[data["statistic"] == settings.statistic].sort_values("return")
    before = rows[rows["method"] == style.PI_STAR]
    methods = style.in_order(set(rows["method"]) - {style.PI_STAR}) or [style.PI_STAR]
    columns = min(COLUMNS, len(methods))
    lines = ceil(len(methods) / columns)
    with style.theme():
        figure = style.new_figure(1.6 * lines + 1.0)
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(methods):
                axes.axis("off")
                continue
            _draw_shares(axes, rows[rows["method"] == methods[index]], style.look_of(methods[index]))
            if len(before) and methods[index] != style.PI_STAR:
                look = style.look_of(style.PI_STAR)
                axes.stairs(before["value"], _edges(before), color=look.colour, linewidth=1.2)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
            axes.xaxis.set_major_formatter(EngFormatter(sep=""))
            axes.yaxis.set_major_formatter(PercentFormatter(xmax=1.0, decimals=0))
            if index + columns >= len(methods):
                axes.set_xlabel("return (highest: and above)")
                axes.tick_params(labelbottom=True)
            if index % columns == 0:
                axes.set_ylabel("share of games")
        if len(before) and methods != [style.PI_STAR]:
            look = style.look_of(style.PI_STAR)
            handle = Line2D([], [], color=look.colour, linewidth=1.2, label=look.label)
            if len(methods) < lines * columns:
                style.legend_in(grid[-1, -1], [handle])
            else:
                style.legend_below(figure, [handle])
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings)


def _shares(scores: pd.Series, edges: NDArray[np.float64]) -> pd.Series:
    """Fraction of one run's games in each interval, indexed by the interval's midpoint."""
    counts, _ = np.histogram(np.clip(scores.to_numpy(), edges[0], edges[-1]), edges)
    return pd.Series(counts / len(scores), index=(edges[:-1] + edges[1:]) / 2)


def _edges(rows: pd.DataFrame) -> NDArray[np.float64]:
    middles, width = rows["return"].to_numpy(), float(rows["width"].iloc[0])
    return np.append(middles - width / 2, middles[-1] + width / 2)


def _draw_shares(axes: Axes, rows: pd.DataFrame, look: style.Look) -> None:
    edges = _edges(rows)
    axes.stairs(rows["value"], edges, color=look.colour, fill=True, alpha=0.35)
    axes.stairs(rows["value"], edges, color=look.colour, linewidth=1.4)
    if rows["low"].notna().all():
        low, high = rows["low"].to_numpy(), rows["high"].to_numpy()
        axes.vlines(rows["return"], low, high, color=look.colour, linewidth=0.8)
    axes.set_title(look.label)
