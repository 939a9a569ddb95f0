"""Table 5: scores of earlier work on NetHack's Human Monk, compared with ours."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from fpc.core.numbers import number
from fpc.figures import style
from fpc.figures.bespoke.table_4 import PAPER, cell_text
from fpc.figures.entry import Entry
from fpc.figures.final_games import final_summary
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.summary import SUMMARY
from fpc.figures.text_table import write_table

# As printed in the paper: score and deviation; fine-tuned methods are in Table 4.
PRIOR: dict[str, tuple[float, float | None]] = {
    "DQN, offline": (0, None),
    "CQL": (366, 35),
    "IQL": (267, 28),
    "cloning (CDGPT5)": (1059, 159),
    "cloning, scaled (π*)": (5218, None),
    "scratch + KS": (2090, 123),
    "scratch + BC": (2809, 103),
    "LDD*": (2100, None),
}
SCALED = "cloning, scaled (π*)"
MODELS = {  # methods that are models of earlier work
    style.PI_STAR: SCALED,
    "scratch_behavioral_cloning": "scratch + BC",
    "scratch_kickstarting": "scratch + KS",
}


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """One row per model of earlier work, and one per statistic of our models.

    Columns ``model, method, step``, then ``SUMMARY``, then ``paper, paper_deviation``:
    ``value`` is the mean score of our final games, ``paper`` the printed score.

    Raises:
        MissingData: there are no final games.
    """
    ours = final_summary(tables["episodes"], ["score"], settings)
    if ours.empty:
        raise MissingData(f"{entry.title}: no final games")
    ours["model"] = [_model(str(name)) for name in ours["method"]]
    printed = [_printed(str(name)) for name in ours["method"]]
    ours["paper"], ours["paper_deviation"] = zip(*printed, strict=True)
    shown = {name: values for name, values in PRIOR.items() if name not in set(ours["model"])}
    prior = pd.DataFrame(
        [
            {"model": name, "paper": score, "paper_deviation": np.nan if deviation is None else deviation}
            for name, (score, deviation) in shown.items()
        ]
    )
    columns = ["model", "method", "step", *SUMMARY, "paper", "paper_deviation"]
    return pd.concat([prior, ours], ignore_index=True).reindex(columns=columns)


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """Earlier work above, fine-tuning below."""
    prior = data[data["method"].isna()]
    ours = data[data["statistic"] == settings.statistic]
    present = set(ours["method"])
    methods = [*({style.PI_STAR} & present), *style.in_order(present - {style.PI_STAR})]
    columns = ["model", "paper", "paper_deviation", "value", "low", "high"]
    ordered = [prior, *(ours[ours["method"] == method] for method in methods)]
    cells = [
        [str(model), _paper_text(paper, deviation), _measured(*measured)]
        for model, paper, deviation, *measured in pd.concat(ordered)[columns].itertuples(index=False)
    ]
    level = f"{float(ours['level'].iloc[0]):.0%} interval"
    heads = [(text, "#000000") for text in ("model", "score in the paper", f"ours, {level}")]
    with style.theme():
        figure = style.new_figure(0.9 + 0.24 * (len(cells) + 0.6))
        write_table(figure.subplots(), heads, cells, first=1.0)
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings)


def _printed(method: str) -> tuple[float, float]:
    """Score and deviation that the paper gives for one of our methods; NaN where it gives none."""
    if method in PAPER:
        return PAPER[method][0], np.nan
    score, deviation = PRIOR.get(MODELS.get(method, ""), (np.nan, None))
    return score, np.nan if deviation is None else deviation


def _model(method: str) -> str:
    if method in MODELS:
        return MODELS[method]
    label = style.look_of(method).label
    if method == "scratch":
        return label
    return "fine-tuning (vanilla)" if method == "vanilla" else f"fine-tuning + {label}"


def _paper_text(score: float, deviation: float) -> str:
    if np.isnan(score):
        return "–"
    return number(score) + ("" if np.isnan(deviation) else f" ± {number(deviation)}")


def _measured(value: float, low: float, high: float) -> str:
    return "–" if np.isnan(value) else cell_text(value, low, high, np.nan).replace("\n", " ")
