"""Figure 5: agents' performance from where the expert entered a Far level."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fpc.core.tables import PI_STAR
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.panels import draw_panels
from fpc.figures.pi_star import pi_star_level
from fpc.figures.summary import summarise

SOKOBAN = "sokoban"
BY = ["probe", "measure", "method"]


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Score gained from a level's start states, pits filled in Sokoban, and pi*'s level.

    Columns ``probe, measure, method, step``, then ``SUMMARY``.
    """
    episodes = tables["episodes"]
    far = episodes[episodes["group"] == "far"]
    runs = _runs(far[far["method"] != PI_STAR])
    if runs.empty:
        raise MissingData(f"{entry.title}: no return on a Far level and no pits filled in Sokoban")
    parts = [summarise(runs, BY, settings), pi_star_level(far, _runs, BY, settings)]
    return pd.concat(parts, ignore_index=True)


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per probe, Sokoban last."""
    probes = sorted(set(data["probe"]), key=lambda name: (name == SOKOBAN, name))
    panels = [(*_labels(probe), data[data["probe"] == probe]) for probe in probes]
    return draw_panels(entry.title, panels, settings, columns=2)


def _runs(far: pd.DataFrame) -> pd.DataFrame:
    """Mean of each probe's measure in each run and step: columns ``BY``, ``seed``, ``step``, ``value``."""
    measures = np.where(far["probe"] == SOKOBAN, "pits_filled", "return")
    rows = far[far["measure"] == measures]
    return rows.groupby([*BY, "seed", "step"], observed=True)["value"].mean().reset_index()


def _labels(probe: str) -> tuple[str, str]:
    """Title and y-axis label of a probe's panel."""
    if probe == SOKOBAN:
        return "Sokoban (Far)", "pits filled"
    return f"dungeon level {probe.removeprefix('level_')} (Far)", "score gained"
