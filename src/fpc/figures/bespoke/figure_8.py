"""Figure 8: how vanilla fine-tuning loses the last stage, and the likelihood of pi*'s actions there."""

from __future__ import annotations

from collections.abc import Mapping

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.families.success_curves import probe_title
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.summary import per_run, summarise

LINEAR_BELOW = 10.0  # of the colour scale
MILESTONES = 5  # scatter panels
BY = ["method", "probe", "group"]


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Rows with ``part`` success, log_likelihood (a mean; both over all seeds) or state (of one seed).

    A state is one of pi*'s on the last stage, projected onto two principal components, with the
    log-likelihood of pi*'s action there under the fine-tuned policy (paper, section on RoboticSequence).
    """
    episodes = tables["episodes"][tables["episodes"]["method"] == "vanilla"]
    stages = sorted(set(episodes["probe"]) - {"whole"})
    if not stages:
        raise MissingData(f"{entry.title}: no episodes of single stages")
    last = episodes[episodes["probe"] == stages[-1]]
    parts = [
        summarise(per_run(last, measure, BY), BY, settings).assign(part=part)
        for measure, part in (("success", "success"), ("log_likelihood", "log_likelihood"))
        if (last["measure"] == measure).any()
    ]
    states = tables["states"]
    states = states[(states["method"] == "vanilla") & (states["stage"] == states["stage"].max())]
    if states.empty:
        raise MissingData(f"{entry.title}: no states of the last stage")
    states = states[states["seed"] == states["seed"].min()]
    states = states[states["step"].isin(_spread(states["step"].unique()))]
    columns = ["method", "step", "seed", "state", "pc1", "pc2", "log_likelihood"]
    return pd.concat([*parts, states[columns].assign(part="state")], ignore_index=True)


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """Success above; below, the same states at each milestone, coloured by log-likelihood."""
    success = data[(data["part"] == "success") & (data["statistic"] == settings.statistic)]
    means = data[(data["part"] == "log_likelihood") & (data["statistic"] == "mean")]
    states = data[data["part"] == "state"]
    steps = sorted(states["step"].unique())
    with style.theme():
        figure = style.new_figure(4.4)
        grid = figure.add_gridspec(2, len(steps), height_ratios=(1.25, 1.0))
        above = figure.add_subplot(grid[0, :])
        probe, group = success[["probe", "group"]].iloc[0]
        style.band(above, success, style.look_of("vanilla"), style.LINE_STYLES[str(group)])
        style.rate_axis(above, "success rate")
        style.steps_axis(above)
        above.set_title(f"{probe_title(str(probe), str(group))}, all seeds")
        low, high = np.quantile(states["log_likelihood"], [0.02, 0.98])
        # Log-likelihoods fall from about 1 to thousands below zero; both ends should be visible.
        colour_map = style.ordered_map()
        norm = SymLogNorm(linthresh=LINEAR_BELOW, vmin=float(low), vmax=float(high))
        below = [figure.add_subplot(grid[1, index]) for index in range(len(steps))]
        for axes, step in zip(below, steps, strict=True):
            part = states[states["step"] == step]
            colours = part["log_likelihood"]
            axes.scatter(part["pc1"], part["pc2"], c=colours, cmap=colour_map, norm=norm, s=6, linewidth=0)
            mean = means.loc[means["step"] == step, "value"]
            note = f"\nall seeds: {mean.iloc[0]:.0f}" if len(mean) else ""
            axes.set_title(f"{EngFormatter(sep='').format_eng(step)} steps{note}", fontsize=8.5)
            axes.set(xticks=[], yticks=[])
            axes.sharex(below[0])
            axes.sharey(below[0])
        below[0].set_ylabel("component 2")
        below[len(below) // 2].set_xlabel(f"component 1 of π*'s states, seed {int(states['seed'].iloc[0])}")
        bar = figure.colorbar(mpl.cm.ScalarMappable(norm, colour_map), ax=below, extend="both", pad=0.01)
        bar.set_label("log-likelihood\nof π*'s actions")
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings)


def _spread(steps: np.ndarray) -> np.ndarray:
    """The first, the last and evenly spread steps between them."""
    ordered = np.sort(np.asarray(steps))
    indices = np.linspace(0, len(ordered) - 1, min(MILESTONES, len(ordered))).round().astype(int)
    return np.asarray(ordered[indices])
