"""Curves of the return and of success in a room, on Montezuma's Revenge: Figures 3b, 6, 13, 17 and 19."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from fpc.figures import style
from fpc.figures.entry import MontezumaCurves
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.pi_star import pi_star_level
from fpc.figures.summary import binned, per_run, summarise

RANDOM = "random"  # the probe of a random policy, and its line
RANDOM_LOOK = style.Look("random policy", "#444444")
BY = ["experiment", "method"]
FIRST_KEY = 100.0  # points: the smallest possible gain


def data(
    entry: MontezumaCurves, tables: Mapping[str, pd.DataFrame], settings: FigureSettings
) -> pd.DataFrame:
    """Curves of all experiments; if lines are methods and variants, ``line`` is the method or the variant.

    Returns:
        Columns ``experiment, method, step``, for success also ``probe``, then ``SUMMARY``. The method
        ``pi_star`` is pi*'s own measurement, and ``random`` a random policy's in the same attempts.

    Raises:
        MissingData: there is nothing to show.
    """
    if entry.quantity == "success":
        return _successes(tables, settings)
    curves = _returns(entry, tables, settings)
    if entry.lines != "both":
        return curves
    plain = curves["experiment"] == entry.experiments[0]
    of_variant = ~plain & (curves["method"] != style.PI_STAR)
    kept = curves[of_variant | (plain & (curves["method"] != entry.varied))]
    return kept.assign(line=kept["method"].where(~of_variant, kept["experiment"]))


def draw(entry: MontezumaCurves, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel, or one per variant; a panel of success is titled by its room."""
    finish_axes = _success_axis if entry.quantity == "success" else _return_axis
    if entry.panels == "variant":
        variants = entry.known_variants
        names = variants.ordered(data["experiment"].unique())
        panels = [(variants.label(name), data[data["experiment"] == name]) for name in names]
    else:
        panels = [(_rooms(data) if entry.quantity == "success" else "", data)]
    if entry.lines == "method":
        return _draw(entry.title, panels, _method_looks(data), "method", settings, finish_axes)
    if entry.lines == "variant":
        looks = _variant_looks(entry, data)
        return _draw(entry.title, panels, looks, "experiment", settings, finish_axes)
    plain = data["experiment"] == entry.experiments[0]
    looks = _method_looks(data[plain]) | _variant_looks(entry, data[~plain])
    return _draw(entry.title, panels, looks, "line", settings, finish_axes)


def _rooms(rows: pd.DataFrame) -> str:
    """The probed rooms in words."""
    return ", ".join(probe.replace("room_", "Room ") for probe in sorted(set(rows["probe"]) - {RANDOM}))


def _variant_looks(entry: MontezumaCurves, rows: pd.DataFrame) -> dict[str, style.Look]:
    names = entry.known_variants.ordered(rows["experiment"].unique())
    labels = [entry.known_variants.label(name) for name in names]
    return dict(zip(names, style.ordered_looks(labels), strict=True))


def _returns(
    entry: MontezumaCurves, tables: Mapping[str, pd.DataFrame], settings: FigureSettings
) -> pd.DataFrame:
    """Mean return (game points) of the games that a run finished in each 1/25 of the budget.

    Returns:
        Columns ``experiment, method, step`` (the bin's midpoint), then ``SUMMARY``; the method ``pi_star``
        is pi*'s return from the start.

    Raises:
        MissingData: no game was finished in training.
    """
    training = tables["training"]
    rows = training[training["metric"] == "score"]
    if rows.empty:
        raise MissingData("no game was finished in training")
    runs = binned(rows, float(training["step"].max()), BY)
    parts = [summarise(runs, BY, settings)]
    if entry.pi_star:
        games = tables["episodes"].query("probe == 'start'")
        parts.append(pi_star_level(games, lambda rows: per_run(rows, "return", BY), BY, settings))
    return pd.concat(parts, ignore_index=True)


def _successes(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Success of attempts from the start states of the Far room.

    Returns:
        Columns ``experiment, method, probe, step``, then ``SUMMARY``; also the methods ``pi_star`` and
        ``random`` (a random policy in pi*'s attempts), over start states or rounds of few.

    Raises:
        MissingData: there are no such attempts.
    """
    episodes = tables["episodes"]
    far = episodes[(episodes["group"] == "far") & (episodes["measure"] == "success")]
    attempts = far[far["probe"] != RANDOM]
    by = [*BY, "probe"]
    runs = per_run(attempts[attempts["method"] != style.PI_STAR], "success", by)
    if runs.empty:
        raise MissingData("no attempts in the Far room")
    levels = [
        pi_star_level(rows, lambda rows: per_run(rows, "success", by), by, settings)
        for rows in (attempts, far[far["probe"] == RANDOM])
    ]
    parts = [summarise(runs, by, settings), levels[0], levels[1].assign(method=RANDOM)]
    return pd.concat(parts, ignore_index=True)


def _draw(
    title: str,
    panels: Sequence[tuple[str, pd.DataFrame]],
    looks: Mapping[str, style.Look],
    key: str,
    settings: FigureSettings,
    finish_axes: Callable[[Axes], None],
) -> Figure:
    """One panel per (title, rows), side by side; one line per value of the column ``key``.

    The levels of pi* and of a random policy are horizontal lines.
    """
    with style.theme():
        figure = style.new_figure(3.3 if len(panels) == 1 else 2.9)
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False)
        rows = pd.concat([part for _, part in panels], ignore_index=True)
        for axes, (heading, part) in zip(grid.flat, panels, strict=True):
            shown = part[part["statistic"] == settings.statistic]
            for name, look in looks.items():
                style.band(axes, shown[shown[key] == name], look)
            for name, look, dashes in _levels():
                style.level(axes, shown[shown["method"] == name], look, dashes)
            axes.set_title(heading)
            axes.set_xlim(left=0)
            style.steps_axis(axes)
            finish_axes(axes)
        handles = [
            Line2D([], [], color=look.colour, marker=look.marker, label=look.label) for look in looks.values()
        ]
        handles += [
            Line2D([], [], color=look.colour, linestyle=dashes, linewidth=1.2, label=look.label)
            for name, look, dashes in _levels()
            if (rows["method"] == name).any()
        ]
        style.legend_below(figure, handles)
        figure.suptitle(title, x=0.01, ha="left")
        return style.finish(figure, settings)


def _method_looks(rows: pd.DataFrame) -> dict[str, style.Look]:
    """Looks of the methods in ``rows``, in the order of every legend."""
    methods = set(rows["method"]) - {style.PI_STAR, RANDOM}
    return {name: style.look_of(name) for name in style.in_order(methods)}


def _return_axis(axes: Axes) -> None:
    """Format the y axis for returns."""
    axes.set_ylim(0, max(FIRST_KEY, axes.get_ylim()[1]))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]))
    axes.set_ylabel("return (points)")
    axes.label_outer()


def _success_axis(axes: Axes) -> None:
    """Format the y axis for success rates."""
    style.rate_axis(axes, "success rate")
    axes.label_outer()


def _levels() -> tuple[tuple[str, style.Look, Literal["-", ":"]], ...]:
    return ((style.PI_STAR, style.look_of(style.PI_STAR), "-"), (RANDOM, RANDOM_LOOK, ":"))
