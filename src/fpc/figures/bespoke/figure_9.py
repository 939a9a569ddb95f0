"""Figure 9: value over theta for both gaps of the two-state MDP, with the path of fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings, MissingData

PANELS = {"coverage": "state coverage gap", "cloning": "imperfect cloning gap"}
COLUMNS = ["condition", "line", "step", "theta", "value"]


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Columns condition, line (``curve`` or ``fine-tuning``), step, theta, value.

    Raises:
        MissingData: there is no curve or no milestone.
    """
    if not {"states", "episodes"} <= set(tables) or tables["episodes"].empty:
        raise MissingData(f"{entry.title}: it needs the tables episodes and states of two_state_mdp")
    (method,) = entry.methods or ()
    episodes = tables["episodes"]
    episodes = episodes[(episodes["method"] == method) & (episodes["seed"] == episodes["seed"].min())]
    measures = episodes.pivot_table(index=["condition", "step"], columns="measure", values="value")
    path = measures.rename(columns={"reach_probability": "theta"}).reset_index()
    curve = tables["states"].drop_duplicates(["condition", "state"])
    lines = [curve.assign(line="curve"), path.assign(line="fine-tuning")]
    plotted: pd.DataFrame = pd.concat([line[COLUMNS] for line in lines], ignore_index=True)
    plotted.columns.name = None
    return plotted


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per gap: the exact curve, pi*, the path and its end."""
    (method,) = entry.methods or ()
    look, pi_star = style.look_of(method), style.look_of(style.PI_STAR)
    with style.theme():
        figure = style.new_figure(3.0)
        panels = figure.subplots(1, len(PANELS))
        for axes, (condition, title) in zip(panels, PANELS.items(), strict=True):
            rows = data[data["condition"] == condition]
            curve = rows[rows["line"] == "curve"].sort_values("theta")
            path = rows[rows["line"] == "fine-tuning"].sort_values("step")
            start, end = path.iloc[0], path.iloc[-1]
            axes.plot(curve["theta"], curve["value"], color="#000000", linewidth=1.0)
            passed = curve[curve["theta"].between(path["theta"].min(), path["theta"].max())]
            axes.plot(passed["theta"], passed["value"], color=look.colour, linewidth=3.0, alpha=0.8)
            axes.plot(*start[["theta", "value"]], "o", color=pi_star.colour, label=pi_star.label)
            end_label = f"fine-tuned: θ = {end['theta']:.2f}, v = {end['value']:.2f}"
            axes.plot(*end[["theta", "value"]], "o", color=look.colour, label=end_label)
            axes.set(title=title, xlabel="θ", ylabel="value from $s_0$")
            axes.legend(loc="best")
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings, interval=False)
