"""A common style for all figures, and byte-for-byte reproducible files.

Figures use ``matplotlib.figure.Figure`` without pyplot, so there is no global state and no window.
Text is at least 8 points at print size (7 inches wide); colours are Okabe and Ito's.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap, to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator

from fpc.core import tables
from fpc.core.files import canonical_json, write_text, write_with
from fpc.core.plotting import own_settings
from fpc.figures.embedded import csv_text
from fpc.figures.interface import FigureSettings
from fpc.retention.registry import load_method

PI_STAR = tables.PI_STAR

WIDTH = 7.0  # inches, the paper's text width
DOTS_PER_INCH = 200
STAMP_SIZE = 8.0  # points
SALT = "fpc"  # fixes the identifiers inside an SVG
ORDER = ("scratch", "vanilla", "behavioral_cloning", "kickstarting", "ewc", "episodic_memory")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
LINE_STYLES: dict[str, Any] = {"close": "-", "whole": "-", "far": (0, (4, 1.5))}
THEME = {
    **sns.axes_style("ticks"),
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.labelsize": 9.0,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9.0,
    "figure.titlesize": 10.0,
    "figure.titleweight": "bold",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9.0,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "path",
    "svg.hashsalt": SALT,
    "xtick.labelsize": 8.0,
    "ytick.labelsize": 8.0,
}


class Look(NamedTuple):
    """Label, colour and marker of a line."""

    label: str
    colour: str
    marker: str | None = None


@contextmanager
def theme() -> Iterator[None]:
    """Context manager that applies the common style, over matplotlib's defaults."""
    with own_settings(THEME):
        yield


def look_of(method: str) -> Look:
    """Label, colour and marker of a method, or of pi* (``pi_star``).

    Raises:
        ValueError: there is no such method.
    """
    if method == PI_STAR:
        return Look("π*", "#7F7F7F")
    found = load_method(method)
    return Look(found.label, found.colour)


def ordered_map() -> ListedColormap:
    """A colour map from dark to light, without shades that fade on white; safe for colour-blind readers."""
    return ListedColormap(mpl.colormaps["cividis"](np.linspace(0.0, 0.88, 256)))


def ordered_looks(labels: Sequence[str]) -> list[Look]:
    """Looks of ordered lines, such as the values of an option; each has its own marker."""
    colours = ordered_map()(np.linspace(0.0, 1.0, max(len(labels), 2)))
    return [
        Look(label, to_hex(colours[index]), MARKERS[index % len(MARKERS)])
        for index, label in enumerate(labels)
    ]


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods in the order of every legend; those that are not in the paper come last, by name."""
    rank = {name: index for index, name in enumerate(ORDER)}
    return sorted(set(methods), key=lambda name: (rank.get(name, len(ORDER)), name))


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure, size in inches, whose layout makes room for legends and titles."""
    return Figure(figsize=(width, height), layout="constrained")


def steps_axis(axes: Axes, label: str | None = "environment steps") -> None:
    """Format the x axis for steps, as 0, 50k, 100k."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    if label:
        axes.set_xlabel(label)


def rate_axis(axes: Axes, label: str | None) -> None:
    """Format the y axis for a rate between 0 and 1."""
    axes.set_ylim(-0.03, 1.03)
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], labels=["0", "", "0.5", "", "1"])
    if label:
        axes.set_ylabel(label)


def band(axes: Axes, rows: pd.DataFrame, look: Look, style: Any = "-", label: str | None = None) -> None:
    """Draw ``value`` over ``step`` with its interval ``low`` to ``high``; a single step is a point."""
    rows = rows.sort_values("step")
    marker = look.marker or ("o" if len(rows) == 1 else None)
    axes.plot(
        rows["step"],
        rows["value"],
        color=look.colour,
        linestyle=style,
        label=label,
        marker=marker,
        markersize=3.5,
        clip_on=False,
    )
    axes.fill_between(rows["step"], rows["low"], rows["high"], color=look.colour, alpha=0.15, linewidth=0)


def level(axes: Axes, rows: pd.DataFrame, look: Look, style: Any = "-") -> None:
    """Draw each row's ``value`` as a horizontal line behind the curves, with its interval if it has one."""
    for value, low, high in rows[["value", "low", "high"]].itertuples(index=False):
        axes.axhline(value, color=look.colour, linestyle=style, linewidth=1.2, zorder=1)
        if low < high:
            axes.axhspan(low, high, color=look.colour, alpha=0.15, linewidth=0, zorder=0)


def legend_below(figure: Figure, handles: Sequence[Artist]) -> None:
    """One legend for the whole figure, below the axes, in rows of equal length."""
    rows = ceil(len(handles) / 6)
    figure.legend(handles=handles, loc="lower center", ncols=ceil(len(handles) / rows), handlelength=2.4)


def legend_in(axes: Axes, handles: Sequence[Artist]) -> None:
    """The legend in an empty panel, in two columns if it is long."""
    axes.legend(handles=handles, loc="center", ncols=1 if len(handles) <= 8 else 2, handlelength=2.4)


def finish(figure: Figure, settings: FigureSettings, *, interval: bool = True) -> Figure:
    """Stamp the figure's foot with scale, seeds, steps and, if it has intervals, their meaning."""
    width, height = figure.get_size_inches()
    text = " · ".join(
        part
        for part in (
            settings.stamp or f"scale {settings.scale}",
            settings.statistic_label if interval else "",
        )
        if part
    )
    lines = textwrap.wrap(text, width=int(width * 72 / STAMP_SIZE / 0.56)) or [""]
    room = (len(lines) * STAMP_SIZE * 1.3 + 4) / 72 / height
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    legends = [legend.get_window_extent(renderer).height / figure.dpi / height for legend in figure.legends]
    for legend in figure.legends:
        legend.set_bbox_to_anchor((0.0, room, 1.0, 1.0 - room))
    # The layout ignores the stamp and a moved legend; reserve their space here.
    foot = room + max(legends, default=0.0)
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0.0, foot, 1.0, 1.0 - foot))  # type: ignore[call-arg]
    figure.text(
        0.008, 0.006, "\n".join(lines), fontsize=STAMP_SIZE, color="#555555", va="bottom", linespacing=1.2
    )
    # A layout solved again at every drawing moves by fractions of a pixel, so it is solved here only,
    # and twice, because a panel's ticks depend on its size.
    figure.draw_without_rendering()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    # The solver's last digits depend on memory addresses, and names in an SVG depend on every digit.
    for axes in figure.axes:
        axes.set_position(np.round(axes.get_position(original=True).bounds, 12).tolist())
        axes.set_in_layout(True)
    return figure


def save(
    figure: Figure,
    data: pd.DataFrame,
    folder: Path,
    name: str,
    metadata: Mapping[str, Any],
) -> tuple[Path, Path, Path]:
    """Write ``<name>.svg``, ``.png`` and ``.csv``, each atomically; the same input gives the same bytes.

    Args:
        figure: the result of ``draw``.
        data: the plotted data.
        folder: destination of the files.
        name: the figure's name.
        metadata: JSON values (digests, the command) embedded in both images; no dates.

    Returns:
        The three paths.
    """
    svg, png, csv = (folder / f"{name}.{ending}" for ending in ("svg", "png", "csv"))
    description = canonical_json(dict(metadata))
    common = {"Title": name, "Description": description}

    def as_svg(path: Path) -> None:
        figure.savefig(path, format="svg", metadata={**common, "Creator": "fpc", "Date": None})

    def as_png(path: Path) -> None:
        figure.savefig(path, format="png", dpi=DOTS_PER_INCH, metadata={**common, "Software": "fpc"})

    with theme():
        write_with(svg, as_svg)
        write_with(png, as_png)
    write_text(csv, csv_text(data))
    return svg, png, csv
