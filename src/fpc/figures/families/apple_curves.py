"""AppleRetrieval's measures in conditions that differ in one option: Figures 10 and 11."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from fpc.figures import style
from fpc.figures.entry import AppleCurves
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.summary import per_run, summarise

PANELS = {
    "forgetting": "forgetting in phase 2",
    "success": "success, whole task",
    "reached": "reached phase 2, early on",
    "weight_ratio": "|b| / |w| of π*",
}
EARLY = 0.2  # fraction of training in which phase 2 is first reached
BY = ["panel", "condition"]
FIXED = {"distance": "signal", "signal": "distance"}  # the option held fixed while the other varies
SYMBOLS = {"distance": "M", "signal": "c"}
RUN = ["condition", "seed", "step"]


def data(entry: AppleCurves, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Measures of vanilla in the conditions that differ in ``entry.vary`` alone.

    If there are several such series of conditions, the longest is used.

    Returns:
        The columns of :func:`fpc.figures.summary.summarise` by panel and condition, and distance, signal.

    Raises:
        MissingData: a table or the method's runs are missing.
    """
    (method,) = entry.methods or ()
    runs = measures(tables, method)
    conditions = split_conditions(runs["condition"].unique())
    longest = conditions[FIXED[entry.vary]].value_counts().sort_index().idxmax()
    chosen = conditions[conditions[FIXED[entry.vary]] == longest]
    table = summarise(runs[runs["condition"].isin(chosen["condition"])], BY, settings)
    table = table.merge(chosen, on="condition", validate="many_to_one")
    return table[table["panel"].isin(entry.panels)].reset_index(drop=True)


def draw(entry: AppleCurves, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per measure and one line per value; the weight ratio is plotted over the values."""
    rows = data[data["statistic"] == settings.statistic]
    fixed = FIXED[entry.vary]
    with style.theme():
        figure = style.new_figure(3.1)
        panels = figure.subplots(1, len(entry.panels))
        for axes, panel in zip(panels, entry.panels, strict=True):
            if panel == "weight_ratio":
                _draw_ratio(axes, rows[rows["panel"] == panel])
            else:
                _draw_panel(axes, rows, panel, entry)
        style.legend_below(figure, panels[-1].get_legend_handles_labels()[0])
        figure.suptitle(f"{entry.title} ({SYMBOLS[fixed]} = {rows[fixed].iloc[0]:g})", x=0.01, ha="left")
        return style.finish(figure, settings)


def measures(tables: Mapping[str, pd.DataFrame], method: str) -> pd.DataFrame:
    """Columns panel, condition, seed, step, value: one row per run and step of one method.

    ``forgetting`` is the drop of the probability of the right direction in phase 2 since step 0;
    negative values are gains. It is exact and, unlike the success rate, does not depend on the time
    that a distance leaves. ``reached`` is measured in training, the others at milestones.
    A step is an episode.

    Raises:
        MissingData: a table or the method's runs are missing.
    """
    if not {"episodes", "training"} <= set(tables):
        raise MissingData("AppleRetrieval's figures need the tables episodes and training")
    episodes, training = (tables[name][tables[name]["method"] == method] for name in ("episodes", "training"))
    if episodes.empty:
        raise MissingData(f"there are no episodes of {method} in AppleRetrieval")
    skill = _mean(episodes, "phase_2", "correct_probability")
    first = skill[skill["step"] == 0].set_index(["condition", "seed"])["value"]
    before = first.reindex(pd.MultiIndex.from_frame(skill[["condition", "seed"]])).to_numpy()
    ratio = _mean(episodes, "whole", "weight_ratio")
    panels = {
        "forgetting": skill.assign(value=before - skill["value"]),
        "success": _mean(episodes, "whole", "success"),
        "reached": training[training["metric"] == "reached_phase_2"][[*RUN, "value"]],
        "weight_ratio": ratio[ratio["step"] == 0],
    }
    parts = [rows.assign(panel=name) for name, rows in panels.items()]
    return pd.concat(parts, ignore_index=True)


def _mean(episodes: pd.DataFrame, probe: str, measure: str) -> pd.DataFrame:
    """Mean of a measure over the episodes of each run and step."""
    return per_run(episodes[episodes["probe"] == probe], measure, ["condition"])


def split_conditions(names: object) -> pd.DataFrame:
    """Columns condition, distance (M), signal (c), parsed from names such as ``M=30,c=0.5``."""
    conditions = pd.DataFrame({"condition": pd.Series(names, dtype=str)})
    numbers = conditions["condition"].str.extract(r"^M=(?P<distance>\d+),c=(?P<signal>.+)$")
    return conditions.assign(distance=numbers["distance"].astype(int), signal=numbers["signal"].astype(float))


def _colours(values: pd.Series) -> dict[float, str]:
    """A colour for each value, from dark to light in increasing order."""
    ordered, scale = sorted(values.unique()), mpl.colormaps["cividis"]
    return {
        value: to_hex(scale(index / max(len(ordered) - 1, 1) * 0.9)) for index, value in enumerate(ordered)
    }


def _draw_panel(axes: Axes, data: pd.DataFrame, panel: str, entry: AppleCurves) -> None:
    """Curves of one measure over episodes, one per value of ``entry.vary``."""
    vary = entry.vary
    palette = _colours(data[vary])
    rows = data[data["panel"] == panel]
    if panel == "reached":
        rows = rows[rows["step"] <= rows["step"].max() * EARLY]
    for value, colour in palette.items():
        label = f"{SYMBOLS[vary]} = {value:g}"
        style.band(axes, rows[rows[vary] == value], style.Look(label, colour), label=label)
    axes.set_title(PANELS[panel])
    style.steps_axis(axes, entry.steps)
    if panel == "forgetting":
        axes.axhline(0.0, color="#7F7F7F", linewidth=0.8)
        axes.set_ylabel("drop of P(left)")
    else:
        style.rate_axis(axes, None)


def _draw_ratio(axes: Axes, rows: pd.DataFrame) -> None:
    """Both axes logarithmic."""
    rows = rows.sort_values("signal")
    axes.plot(rows["signal"], rows["value"], color="#7F7F7F", linewidth=1.0, zorder=1)
    for signal, colour in _colours(rows["signal"]).items():
        row = rows[rows["signal"] == signal]
        axes.vlines(row["signal"], row["low"], row["high"], color=colour)
        axes.plot(row["signal"], row["value"], "o", color=colour)
    axes.set(xscale="log", yscale="log", xlabel="c", title=PANELS["weight_ratio"])
