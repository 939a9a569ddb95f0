"""Success over steps, in panels: Figures 2, 3c, 7 and 21-27."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from fpc.figures import first_visits, style
from fpc.figures.entry import SuccessCurves
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.pi_star import pi_star_level
from fpc.figures.summary import per_run, summarise

BY = ["experiment", "method", "probe", "group"]
PANEL_HEIGHT = 1.75  # inches
FURNITURE_HEIGHT = 1.15  # inches, for title, legend, axis label and stamp


def data(entry: SuccessCurves, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Columns ``experiment, method, probe, group, step``, then ``SUMMARY``; pi* is shown on Far probes.

    Rows with the statistic ``first_visit`` say when training first came to a Far probe, see
    :func:`fpc.figures.first_visits.median_first_visits`.
    """
    episodes = tables["episodes"]
    measured = episodes[episodes["measure"] == "success"]
    chosen = measured[measured["method"] != style.PI_STAR]
    if entry.probes != "all":
        chosen = chosen[(chosen["group"] == "whole") == (entry.probes == "whole")]
    if entry.methods is not None:
        chosen = chosen[chosen["method"].isin(entry.methods)]
    if chosen.empty:
        raise MissingData(f"{entry.title}: no episodes with the measure success")
    runs = per_run(chosen, "success", BY)
    result = summarise(runs, BY, settings)
    if entry.pi_star:
        far = measured[measured["group"] == "far"]
        level = pi_star_level(far, lambda rows: per_run(rows, "success", BY), BY, settings)
        result = pd.concat([result, level], ignore_index=True)
    if entry.first_visits and "training" in tables:
        visits = first_visits.median_first_visits(tables["training"], chosen)
        result = pd.concat([result, visits], ignore_index=True)
    return result


def draw(entry: SuccessCurves, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """A grid of panels with the legend below."""
    rows = data[data["statistic"].isin([settings.statistic, first_visits.STATISTIC])]
    panels = _panels(entry, rows)
    columns = min(entry.columns or (2 if len(panels) <= 4 else 3), len(panels))
    lines = ceil(len(panels) / columns)
    with style.theme():
        figure = style.new_figure(lines * PANEL_HEIGHT + FURNITURE_HEIGHT)
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        looks = _looks(entry, rows)
        for axes, (title, part) in zip(grid.flat, panels, strict=False):
            axes.set_title(title)
            _draw_panel(entry, axes, part, looks)
        _label_outer(grid, len(panels), entry.steps)
        handles = _legend_handles(rows, looks)
        if len(panels) < lines * columns:
            style.legend_in(grid[-1, -1], handles)
        else:
            style.legend_below(figure, handles)
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings)


def _panels(entry: SuccessCurves, rows: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    if entry.panels == "one":
        return [("", rows)]
    if entry.panels == "variant" and entry.variants is not None:
        names = entry.variants.ordered(rows["experiment"].unique())
        return [(entry.variants.label(name), rows[rows["experiment"] == name]) for name in names]
    probes = rows[["probe", "group"]].drop_duplicates().sort_values("probe")
    return [
        (probe_title(str(probe), str(group)), rows[rows["probe"] == probe])
        for probe, group in probes.itertuples(index=False)
    ]


def _looks(entry: SuccessCurves, rows: pd.DataFrame) -> dict[str, style.Look]:
    if entry.colours == "method" or entry.variants is None:
        methods = style.in_order(set(rows["method"]) - {style.PI_STAR})
        return {name: style.look_of(name) for name in methods}
    names = entry.variants.ordered(rows["experiment"].unique())
    labels = [entry.variants.label(name) for name in names]
    return dict(zip(names, style.ordered_looks(labels), strict=True))


def _draw_panel(
    entry: SuccessCurves, axes: Axes, part: pd.DataFrame, looks: Mapping[str, style.Look]
) -> None:
    key = "experiment" if entry.colours == "variant" else "method"
    for name, look in looks.items():
        lines = part[(part[key] == name) & (part["method"] != style.PI_STAR)]
        curves = lines[lines["statistic"] != first_visits.STATISTIC]
        for (_, group), line in curves.groupby(["probe", "group"]):
            style.band(axes, line, look, style.LINE_STYLES[str(group)])
        first_visits.mark(axes, lines, look)
    style.level(axes, part[part["method"] == style.PI_STAR], style.look_of(style.PI_STAR))
    style.rate_axis(axes, None)
    style.steps_axis(axes, None)


def _legend_handles(rows: pd.DataFrame, looks: Mapping[str, style.Look]) -> list[Line2D]:
    handles = [
        Line2D([], [], color=look.colour, marker=look.marker, markersize=4, label=look.label)
        for look in looks.values()
    ]
    if {"close", "far"} <= set(rows["group"]):
        handles.append(Line2D([], [], color="#444444", label="Close"))
        handles.append(Line2D([], [], color="#444444", linestyle=style.LINE_STYLES["far"], label="Far"))
    visited = rows[rows["statistic"] == first_visits.STATISTIC]
    if (visited["value"] >= 0.5).any():
        handles.append(first_visits.legend_handle())
    if (rows["method"] == style.PI_STAR).any():
        look = style.look_of(style.PI_STAR)
        handles.append(Line2D([], [], color=look.colour, linewidth=1.2, label=look.label))
    return handles


def probe_title(probe: str, group: str) -> str:
    """``2_peg-unplug-side`` of group far becomes ``3 peg-unplug-side (Far)``; without an index, its words."""
    if group == "whole":
        return "whole sequence"
    index, _, stage = probe.partition("_")
    shown = f"{int(index) + 1} {stage}" if index.isdigit() else probe.replace("_", " ")
    return f"{shown} ({group.capitalize()})"


def _label_outer(grid: NDArray[Any], used: int, x_label: str) -> None:
    """Label the left and bottom axes; cells without a panel stay empty."""
    lines, columns = grid.shape
    for index in range(lines * columns):
        line, column = divmod(index, columns)
        axes = grid[line, column]
        if index >= used:
            axes.axis("off")
            continue
        if column == 0:
            axes.set_ylabel("success rate")
        if index + columns >= used:
            axes.tick_params(labelbottom=True)
        if line == lines - 1:
            axes.set_xlabel(x_label)
