"""Table 6: forward transfer on a known stage after prefixes of increasing length."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fpc.core.statistics import Array, area_under_curve, bootstrap_estimate, forward_transfer, mean
from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.interface import PAPER_LEVEL, FigureSettings, MissingData
from fpc.figures.summary import per_run
from fpc.figures.text_table import write_table

STAGES = {"push_wall": "push-wall", "peg_unplug_side": "peg-unplug-side"}
NAME = re.compile(r"_prefix_(\d+)_(push_wall|peg_unplug_side)$")
# The paper's values: stage, method -> prefixes of one, two, three and four stages.
PAPER = {
    ("push_wall", "vanilla"): (0.18, 0.17, 0.10, -0.00),
    ("push_wall", "ewc"): (0.88, 0.65, 0.64, 0.62),
    ("push_wall", "behavioral_cloning"): (0.93, 0.97, 0.98, 0.97),
    ("peg_unplug_side", "vanilla"): (0.28, 0.15, 0.03, 0.03),
    ("peg_unplug_side", "ewc"): (0.77, 0.55, 0.41, 0.46),
    ("peg_unplug_side", "behavioral_cloning"): (0.92, 0.95, 0.95, 0.94),
}


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """One row per stage, prefix and method: ``value, low, high, level, seeds, seeds_scratch, paper``.

    Success is measured over training by the known stage's own probe; a run's area is compared with
    the mean area of the runs from scratch, and both are resampled for the interval.
    """
    rows = []
    for experiment, episodes in tables["episodes"].groupby("experiment", observed=True):
        found = NAME.search(str(experiment))
        if found is None:
            continue
        prefix, stage = int(found[1]), found[2]
        areas = _areas(episodes[episodes["probe"].str.endswith(f"_{STAGES[stage]}")])
        if "scratch" in areas:
            methods = (name for name in entry.methods or areas if name in areas and name != "scratch")
            rows += [_row(stage, prefix, name, areas, settings) for name in methods]
    if not rows:
        raise MissingData(
            f"{entry.title}: no stage has both a fine-tuned method and scratch at two steps or more"
        )
    return pd.DataFrame(rows).sort_values(["stage", "prefix"], kind="stable", ignore_index=True)


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """Our values with intervals above; the paper's below, in grey."""
    methods = style.in_order(data["method"])
    prefixes = sorted(data["prefix"].unique())
    heads = [
        ("stages before", "#000000"),
        *((look.label, look.colour) for look in map(style.look_of, methods)),
    ]
    with style.theme():
        stages = [stage for stage in STAGES if (data["stage"] == stage).any()]
        figure = style.new_figure(1.0 + len(stages) * (0.55 + 0.42 * len(prefixes)))
        for axes, stage in zip(figure.subplots(len(stages), 1, squeeze=False)[:, 0], stages, strict=True):
            found = _cells(data[data["stage"] == stage])
            cells = [[str(n), *(found.get((n, name), "–") for name in methods)] for n in prefixes]
            axes.set_title(f"{STAGES[stage]}: ours, {_level(data):.0%} interval (paper)")
            write_table(axes, heads, cells)
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings)


def _areas(episodes: pd.DataFrame) -> dict[str, Array]:
    """Area under the success curve of each run, by method; runs with a single step are left out."""
    areas = {}
    runs = per_run(episodes, "success", ["method"])
    for method, group in runs.groupby("method", observed=True):
        table = group.pivot_table(index="seed", columns="step", values="value").dropna()
        if table.shape[1] >= 2 and len(table):
            areas[str(method)] = area_under_curve(table.columns.to_numpy(), table.to_numpy())
    return areas


def _row(
    stage: str, prefix: int, method: str, areas: Mapping[str, Array], settings: FigureSettings
) -> dict[str, object]:
    ours, scratch = areas[method], areas["scratch"]

    def transfer(values: Array) -> Array:
        return forward_transfer(mean(values[..., : len(ours)]), mean(values[..., len(ours) :]))

    level = PAPER_LEVEL if settings.interval == "paper" else settings.level
    estimate = bootstrap_estimate(
        [ours, scratch], transfer, level=level, resamples=settings.resamples, seed=settings.seed
    )
    paper = PAPER.get((stage, method), ())
    return {
        "stage": stage,
        "prefix": prefix,
        "method": method,
        "seeds": len(ours),
        "seeds_scratch": len(scratch),
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "level": level,
        "paper": paper[prefix - 1] if prefix <= len(paper) else np.nan,
    }


def _level(data: pd.DataFrame) -> float:
    return float(data["level"].iloc[0])


def _cells(rows: pd.DataFrame) -> dict[tuple[int, str], str]:
    cells = {}
    columns = ["prefix", "method", "value", "low", "high", "paper"]
    for prefix, method, value, low, high, paper in rows[columns].itertuples(index=False):
        interval = "" if np.isnan(low) else f" [{low:.2f}, {high:.2f}]"
        cells[prefix, method] = f"{value:.2f}{interval}" + ("" if np.isnan(paper) else f"\n({paper:.2f})")
    return cells
