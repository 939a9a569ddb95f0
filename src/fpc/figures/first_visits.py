"""When training first came to each Far probe: before that, Far success falls without being trained on."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from fpc.core.tables import FIRST_VISIT
from fpc.figures import style

STATISTIC = "first_visit"  # in the plotted data's column ``statistic``
KEYS = ["experiment", "method"]
MARKER, SIZE = "^", 6.0


def median_first_visits(training: pd.DataFrame, episodes: pd.DataFrame) -> pd.DataFrame:
    """The step by which half of a method's seeds had been to each Far probe.

    Args:
        training: columns ``experiment, method, seed, step, metric, value`` of all runs.
        episodes: columns ``experiment, method, probe, group, step``; says which probes and methods are shown.

    Returns:
        Columns ``experiment, method, probe, group, step, seeds, statistic, value``: ``value`` is the share of
        the seeds that had been there by ``step``. If that is less than half, ``step`` is the method's last
        one. Empty if the runs recorded no visits.
    """
    visits = training[training["metric"].str.startswith(FIRST_VISIT)]
    if visits.empty:
        return pd.DataFrame()
    seeds_of = training.groupby(KEYS, observed=True)["seed"].nunique()
    far = episodes[episodes["group"] == "far"]
    rows = []
    for key, part in far.groupby([*KEYS, "probe"], observed=True):
        experiment, method, probe = map(str, key)
        if (experiment, method) not in seeds_of.index:
            continue
        seeds = int(seeds_of[experiment, method])
        of_line = (visits["experiment"] == experiment) & (visits["method"] == method)
        # NaN: the seed was never there.
        steps = np.sort(visits.loc[of_line & (visits["metric"] == f"{FIRST_VISIT}{probe}"), "value"].dropna())
        half = math.ceil(seeds / 2)
        step = int(steps[half - 1]) if len(steps) >= half else int(part["step"].max())
        share = float((steps <= step).sum() / seeds)
        rows.append((experiment, method, probe, "far", step, seeds, STATISTIC, share))
    columns = [*KEYS, "probe", "group", "step", "seeds", "statistic", "value"]
    return pd.DataFrame(rows, columns=columns)


def mark(axes: Axes, rows: pd.DataFrame, look: style.Look) -> None:
    """A triangle on the axis of steps where half of the seeds had been to a Far probe."""
    steps = rows.loc[(rows["statistic"] == STATISTIC) & (rows["value"] >= 0.5), "step"]
    if not steps.empty:
        axes.plot(
            steps,
            [0.0] * len(steps),
            linestyle="",
            marker=MARKER,
            markersize=SIZE,
            color=look.colour,
            markeredgecolor="white",
            markeredgewidth=0.6,
            transform=axes.get_xaxis_transform(),
            clip_on=False,
            zorder=5,
        )


def legend_handle() -> Line2D:
    """The mark, explained."""
    return Line2D([], [], linestyle="", marker=MARKER, markersize=SIZE, color="#444444", label="first at Far")
