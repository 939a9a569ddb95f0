"""Figure 18: steps spent in each room during training on Montezuma's Revenge."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.summary import binned, summarise

PREFIX = "room_"
BY = ["method", "room"]


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Fraction of the steps of finished games spent in each room, in bins of 1/25 of the budget.

    Columns ``method, room, step`` (the bin's midpoint), then ``SUMMARY``.

    Raises:
        MissingData: no game was finished in training.
    """
    training = tables["training"]
    methods = entry.methods or training["method"].unique()
    rows = training[training["metric"].str.startswith(PREFIX) & training["method"].isin(methods)]
    if rows.empty:
        raise MissingData(f"{entry.title}: no game was finished in training")
    rows = rows.assign(room=rows["metric"].str.removeprefix(PREFIX).astype(int))
    # Sums, not means: a game that never entered a room has no row for it.
    last = float(training["step"].max())
    counted = rows.groupby([*BY, "seed", "step"], observed=True)["value"].sum().reset_index()
    steps = binned(counted, last, BY, "sum")
    table = steps.pivot_table(
        index=["method", "seed", "step"], columns="room", values="value", fill_value=0.0
    )
    shares = (
        table.div(table.sum(axis=1), axis=0).reset_index().melt(["method", "seed", "step"], var_name="room")
    )
    return summarise(shares, BY, settings)


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per method, with rooms stacked."""
    rows = data[data["statistic"] == "mean"]  # interquartile means of fractions do not add up to one
    methods = style.in_order(rows["method"])
    rooms = sorted(rows["room"].unique())
    colours = dict(zip(rooms, mpl.colormaps["cividis"](np.linspace(0.0, 1.0, len(rooms))), strict=True))
    with style.theme():
        figure = style.new_figure(3.0)
        grid = figure.subplots(1, len(methods), sharey=True, squeeze=False)
        for axes, method in zip(grid.flat, methods, strict=True):
            table = rows[rows["method"] == method].pivot_table(index="step", columns="room", values="value")
            shares = [table[room].fillna(0.0) for room in table.columns]
            axes.stackplot(table.index, shares, colors=[colours[room] for room in table.columns])
            axes.set_title(style.look_of(method).label)
            axes.set_ylim(0.0, 1.0)
            style.steps_axis(axes)
        grid[0, 0].set_ylabel("share of steps")
        style.legend_below(figure, [Patch(color=colours[room], label=f"Room {room}") for room in rooms])
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings, interval=False)
