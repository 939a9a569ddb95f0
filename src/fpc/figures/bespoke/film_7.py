"""Film 7: the robot in the first Far stage, moved by pi*, vanilla and BC, when vanilla has lost that stage.

The milestone is chosen by a rule (``lost_far`` of the domain), and the start state is the first that was
drawn; neither is hand-picked. Frames are derived from the actions in the plotted data, so the film can be
rendered from these alone. Where nothing can render them, there is no film, and the figure gives the
outcomes and the reason.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from io import BytesIO

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from PIL import Image, ImageDraw, ImageFont

from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings, MissingData

SUCCESS, FAILURE = "#009E73", "#D55E00"
MILLISECONDS, LAST_MILLISECONDS = 83, 2500  # 12 frames a second, and the end
COLOURS = 192  # of the GIF
BORDER, HEAD, FOOT = 4, 40, 22  # pixels around a panel, and above and below its image
Films = dict[int, dict[int, np.ndarray]]
"""Attempt -> actions before a frame -> frame, uint8 ``[height, width, 3]``."""


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """The recorded attempts, pi*'s first.

    Columns ``policy, seed, step, probe, start, start_seed, weights, digest, success, length, actions``: the
    seed of the fine-tuned run, the milestone, the stage, index and seed of the start state, sha256 of the
    weights and of the start state, the outcome, and the actions as hexadecimal float32 ``[length, 4]``.

    Raises:
        MissingData: nothing was recorded.
    """
    attempts = tables["attempts"]
    if attempts.empty:
        raise MissingData(f"{entry.title}: vanilla has no milestone in a Far stage")
    order = [style.PI_STAR, *style.in_order(set(attempts["policy"]) - {style.PI_STAR})]
    ranked = attempts.assign(rank=attempts["policy"].map(order.index)).sort_values("rank", kind="stable")
    return ranked.drop(columns="rank").reset_index(drop=True)


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings, frames: pd.DataFrame) -> Figure:
    """A row of moments per attempt, the same moments for all; an attempt that is over stands still.

    ``frames`` has the columns ``attempt`` (index of a row of ``data``), ``frame`` (actions before it) and
    ``rgb``; if it is empty, its attribute ``problem`` says why.
    """
    films = _films(frames)
    with style.theme():
        if not films:
            return style.finish(_unrendered(entry, data, frames), settings, interval=False)
        figure = style.new_figure(1.75 * len(data) + 0.6)
        grid = figure.subplots(len(data), len(_moments(data["length"])), squeeze=False)
        for line, (attempt, row) in zip(grid, data.iterrows(), strict=True):
            line[0].set_ylabel("\n".join(_label(row)))
            for axes, moment in zip(line, _moments(data["length"]), strict=True):
                _panel(axes, films[int(str(attempt))], row, moment)
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings, interval=False)


def animate(entry: Entry, data: pd.DataFrame, frames: pd.DataFrame) -> bytes | None:
    """A GIF of all attempts side by side; one that is over stands still in a border that shows its outcome.

    None if no frame could be rendered.
    """
    films = _films(frames)
    if not films:
        return None
    longest = int(data["length"].max())
    moments = sorted(
        {step for film in films.values() for step in film if step % _stride(films) == 0} | {longest}
    )
    images = [_image(data, films, moment) for moment in moments]
    palette = _sheet(images).quantize(COLOURS, dither=Image.Dither.NONE)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    durations = [MILLISECONDS] * len(others) + [LAST_MILLISECONDS]
    content = BytesIO()
    first.save(content, "GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=True)
    return content.getvalue()


def _films(table: pd.DataFrame) -> Films:
    films: Films = {}
    for attempt, step, rgb in table[["attempt", "frame", "rgb"]].itertuples(index=False):
        films.setdefault(int(attempt), {})[int(step)] = rgb
    return films


def _stride(films: Films) -> int:
    """Actions between two frames; only an attempt's last frame may come sooner."""
    return max(1, max(sorted(film)[1] for film in films.values()))


def _moments(lengths: pd.Series) -> list[int]:
    """Columns of the still figure: the start, until the first attempt ends, and the end of the last."""
    first, last = int(lengths.min()), int(lengths.max())
    return [0, first // 2, first, last] if first < last else [0, last // 3, 2 * last // 3, last]


def _at(film: Mapping[int, np.ndarray], moment: int) -> np.ndarray:
    """The last frame that is not later than a moment."""
    return film[max(step for step in film if step <= moment)]


def _label(row: pd.Series) -> tuple[str, str]:
    """The policy, and how far it was fine-tuned."""
    name = style.look_of(row["policy"]).label
    if row["policy"] == style.PI_STAR:
        return name, "before fine-tuning"
    return f"{name}, seed {row['seed']}", f"after {row['step']:,} steps"


def _outcome(row: pd.Series) -> str:
    return f"solved in {row['length']} steps" if row["success"] else f"not solved in {row['length']} steps"


def _panel(axes: Axes, film: Mapping[int, np.ndarray], row: pd.Series, moment: int) -> None:
    """One moment of an attempt."""
    axes.imshow(_at(film, moment), interpolation="nearest")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(False)
    ended = moment >= row["length"]
    colour = (SUCCESS if row["success"] else FAILURE) if ended else "#444444"
    axes.set_title(_outcome(row) if ended else f"step {moment}", color=colour)
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linewidth=1.5 if ended else 0.8)


def _unrendered(entry: Entry, data: pd.DataFrame, frames: pd.DataFrame) -> Figure:
    """What the film would have shown, in words, and why there is none."""
    lines = [f"{', '.join(_label(row))}: {_outcome(row)}" for _, row in data.iterrows()]
    reason = f"No film: {frames.attrs.get('problem', 'no frame was rendered')}"
    figure = style.new_figure(2.0)
    axes = figure.subplots()
    axes.set_axis_off()
    text = "\n".join([*lines, "", *textwrap.wrap(reason, 96)])
    axes.text(0.0, 1.0, text, va="top", transform=axes.transAxes)
    figure.suptitle(entry.title, x=0.01, ha="left")
    return figure


def _sheet(images: list[Image.Image]) -> Image.Image:
    """The start, the middle and the end below each other, from which the GIF's colours are chosen."""
    width, height = images[0].size
    sheet = Image.new("RGB", (width, 3 * height))
    for place, image in enumerate((images[0], images[len(images) // 2], images[-1])):
        sheet.paste(image, (0, place * height))
    return sheet


def _image(data: pd.DataFrame, films: Films, moment: int) -> Image.Image:
    """All attempts at one moment."""
    height, width = next(iter(films.values()))[0].shape[:2]
    panel = width + 2 * BORDER
    image = Image.new("RGB", (panel * len(data), HEAD + height + 2 * BORDER + FOOT), "white")
    pen = ImageDraw.Draw(image)
    plain, bold = (
        ImageFont.truetype(findfont(FontProperties(family="DejaVu Sans", weight=weight)), 12)
        for weight in ("normal", "bold")
    )
    for column, (attempt, row) in enumerate(data.iterrows()):
        left, (name, steps) = column * panel, _label(row)
        pen.text((left + BORDER, 4), name, fill="black", font=bold)
        pen.text((left + BORDER, 21), steps, fill="#444444", font=plain)
        ended = moment >= row["length"]
        colour = SUCCESS if row["success"] else FAILURE
        if ended:
            pen.rectangle((left, HEAD, left + panel - 1, HEAD + height + 2 * BORDER - 1), fill=colour)
        frame = Image.fromarray(_at(films[int(str(attempt))], moment))
        image.paste(frame, (left + BORDER, HEAD + BORDER))
        mark = "✓ " if row["success"] else "✗ "
        words = mark + _outcome(row) if ended else f"step {moment}"
        place = (left + BORDER, HEAD + height + 2 * BORDER + 3)
        pen.text(place, words, fill=colour if ended else "#444444", font=bold if ended else plain)
    return image
