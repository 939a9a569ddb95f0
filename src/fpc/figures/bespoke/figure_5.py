"""Figure 5: agents' performance from where the expert entered a Far level."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.panels import draw_panels
from fpc.figures.summary import before_fine_tuning, per_run, summarise

SOKOBAN = "sokoban"
BY = ["probe", "measure", "method"]


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Score gained from a level's start states, pits filled in Sokoban, and pi*'s level.

    Columns ``probe, measure, method, step, seeds, statistic, value, low, high, level``.
    """
    episodes = tables["episodes"]
    far = episodes[episodes["group"] == "far"]
    parts = [
        per_run(rows, measure, ["probe", "method"]).assign(measure=measure)
        for probe, rows in far.groupby("probe", observed=True)
        for measure in ["pits_filled" if probe == SOKOBAN else "return"]
    ]
    runs = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if runs.empty:
        raise MissingData(f"{entry.title}: no return on a Far level and no pits filled in Sokoban")
    start = before_fine_tuning(runs, BY)
    shown = [runs] if start.empty else [runs, start]
    return pd.concat([summarise(part, BY, settings) for part in shown], ignore_index=True)


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per probe, Sokoban last."""
    probes = sorted(set(data["probe"]), key=lambda name: (name == SOKOBAN, name))
    panels = [(*_labels(probe), data[data["probe"] == probe]) for probe in probes]
    return draw_panels(entry.title, panels, settings, columns=2)


def _labels(probe: str) -> tuple[str, str]:
    """Title and y-axis label of a probe's panel."""
    if probe == SOKOBAN:
        return "Sokoban (Far)", "pits filled"
    return f"dungeon level {probe.removeprefix('level_')} (Far)", "score gained"
