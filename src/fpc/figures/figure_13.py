"""Figure 13: return on Montezuma's Revenge with two coefficients of behavioural cloning."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from fpc.figures import style
from fpc.figures.interface import FigureSettings
from fpc.figures.montezuma_curves import draw_curves, method_looks, return_axis, return_curves
from fpc.figures.variants import Variants

TITLE = "Return on Montezuma's Revenge with two coefficients of BC"
EXPERIMENTS = ("montezuma", "montezuma_coefficient_*")
METHODS = ("scratch", "vanilla", "behavioral_cloning")
TABLES = ("episodes", "training")

_variants = Variants(r"_coefficient_([\d.]+)$", "BC, coefficient {}")
_PLAIN = "montezuma"


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """As figure 3b's, of all experiments; the column ``line`` is the method, or BC's experiment."""
    curves = return_curves(tables, settings)
    of_variant = (curves["experiment"] != _PLAIN) & (curves["method"] != style.PI_STAR)
    kept = curves[
        of_variant | ((curves["experiment"] == _PLAIN) & (curves["method"] != "behavioral_cloning"))
    ]
    return kept.assign(line=kept["method"].where(~of_variant, kept["experiment"]))


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel."""
    names = _variants.ordered(set(data["experiment"]) - {_PLAIN})
    own = dict(zip(names, style.ordered_looks([_variants.label(name) for name in names]), strict=True))
    plain = method_looks(data[data["experiment"] == _PLAIN])
    return draw_curves(TITLE, [("", data)], plain | own, "line", settings, return_axis)
