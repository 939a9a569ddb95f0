"""Figure 20: similarity of each layer to pi*'s during vanilla fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.summary import summarise

NETWORKS = {"actor": "policy", "critic_1": "critic 1", "critic_2": "critic 2"}


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """CKA averaged over stages: ``network, layer, step``, then ``SUMMARY``."""
    rows = tables["representation"]
    rows = rows[(rows["method"] == "vanilla") & rows["cka"].notna()]
    if rows.empty:
        raise MissingData(f"{entry.title}: no representations of the method vanilla")
    by = ["network", "layer"]
    runs = rows.groupby([*by, "seed", "step"], observed=True)["cka"].mean().rename("value").reset_index()
    return summarise(runs, by, settings)


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per network, one line per layer."""
    rows = data[data["statistic"] == settings.statistic]
    networks = [name for name in NETWORKS if (rows["network"] == name).any()]
    layers = sorted(rows["layer"].unique())
    looks = dict(zip(layers, style.ordered_looks([f"layer {layer}" for layer in layers]), strict=True))
    with style.theme():
        figure = style.new_figure(2.9)
        panels = figure.subplots(1, len(networks), sharex=True, sharey=True, squeeze=False)[0]
        for axes, network in zip(panels, networks, strict=True):
            axes.set_title(NETWORKS[network])
            for layer, look in looks.items():
                part = rows[(rows["network"] == network) & (rows["layer"] == layer)]
                style.band(axes, part, look, label=look.label if axes is panels[0] else None)
            style.rate_axis(axes, "linear CKA" if axes is panels[0] else None)
            style.steps_axis(axes)
        style.legend_below(figure, panels[0].get_legend_handles_labels()[0])
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings)
