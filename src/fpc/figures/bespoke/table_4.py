"""Table 4: NetHack's final evaluation."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fpc.core.numbers import number
from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.final_games import final_runs, final_summary
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.summary import SUMMARY
from fpc.figures.text_table import write_table

COLUMNS = {
    "score": "score",
    "turns": "turns",
    "depth": "dungeon\nlevel",
    "experience_level": "experience\nlevel",
    "gold": "gold",
    "scout": "scout",
}
# The paper's values in the order of COLUMNS, and its mean score for each seed.
PAPER: dict[str, tuple[float, ...]] = {
    "scratch": (776, 6696, 1.06, 4.07, 5.3, 371),
    "vanilla": (647, 7756, 1.02, 2.73, 9.3, 150),
    "ewc": (3976, 16725, 1.41, 6.29, 217, 720),
    "behavioral_cloning": (7610, 22895, 1.7, 7.30, 582, 959),
    "kickstarting": (10588, 24436, 2.66, 7.73, 857, 1551),
    style.PI_STAR: (5218,),
}
PAPER_SEEDS: dict[str, tuple[float, ...]] = {
    "scratch": (966, 875, 763, 664, 614),
    "vanilla": (962, 0.5, 1717, 4.1, 606),
    "ewc": (3813, 3793, 4128, 4312, 3836),
    "behavioral_cloning": (5969, 6833, 7820, 9823),  # one seed was dropped
    "kickstarting": (10957, 11676, 10498, 9868, 9945),
}


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Rows with ``part`` metric (a statistic over seeds, of pi* over games) or seed (its mean score).

    Columns ``part, metric, method`` (also ``pi_star``), ``step, seed``, then ``SUMMARY``, then ``paper``.

    Raises:
        MissingData: there are no final games.
    """
    episodes = tables["episodes"]
    metrics = final_summary(episodes, list(COLUMNS), settings).assign(part="metric")
    if metrics.empty:
        raise MissingData(f"{entry.title}: no final games")
    known = {
        (metric, method): value
        for method, row in PAPER.items()
        for metric, value in zip(COLUMNS, row, strict=False)
    }
    pairs = zip(metrics["metric"], metrics["method"], strict=True)
    metrics["paper"] = [known.get(pair, np.nan) for pair in pairs]
    seeds = final_runs(episodes, ["score"]).assign(part="seed", low=np.nan, high=np.nan)
    columns = ["part", "metric", "method", "step", "seed", *SUMMARY, "paper"]
    return pd.concat([metrics, seeds], ignore_index=True).reindex(columns=columns)


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """Our values with intervals and the paper's in brackets; below, each seed's mean score."""
    rows = data[(data["part"] == "metric") & (data["statistic"] == settings.statistic)]
    seeds = data[data["part"] == "seed"]
    present = set(rows["method"])
    methods = [*style.in_order(present - {style.PI_STAR}), *({style.PI_STAR} & present)]
    found = {
        (method, metric): cell_text(*numbers)
        for method, metric, *numbers in rows[
            ["method", "metric", "value", "low", "high", "paper"]
        ].itertuples(index=False)
    }
    cells = [
        [style.look_of(method).label, *(found.get((method, name), "–") for name in COLUMNS)]
        for method in methods
    ]
    means = [
        [
            style.look_of(method).label,
            _numbers(seeds[seeds["method"] == method].sort_values("seed")["value"]),
            _numbers(PAPER_SEEDS.get(method, ())),
        ]
        for method in methods
        if method != style.PI_STAR
    ]
    level = f"{float(rows['level'].iloc[0]):.0%} interval"
    black = "#000000"
    with style.theme():
        above, below = 0.52 * (len(cells) + 0.6), 0.26 * (len(means) + 0.6)
        figure = style.new_figure(1.1 + above + below)
        panels = figure.subplots(2, 1, height_ratios=(above, below))
        panels[0].set_title(f"ours, {level} (paper)")
        heads = [("method", black), *((label, black) for label in COLUMNS.values())]
        write_table(panels[0], heads, cells, first=0.7, size=8.0)
        panels[1].set_title("mean score of each seed")
        heads = [("method", black), ("ours", black), ("paper", black)]
        write_table(panels[1], heads, means, first=0.25, size=8.0)
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings)


def cell_text(value: float, low: float, high: float, paper: float) -> str:
    """Value, interval and the paper's value, one per line if known."""
    lines = [number(value)]
    lines += [] if np.isnan(low) else [f"[{number(low)}, {number(high)}]"]
    lines += [] if np.isnan(paper) else [f"({number(paper)})"]
    return "\n".join(lines)


def _numbers(values: object) -> str:
    texts = [number(float(value)) for value in pd.Series(values, dtype=float)]
    return ", ".join(texts) if len(texts) <= 5 else ", ".join(texts[:5]) + ", …"
