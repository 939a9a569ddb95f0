"""Film 6: attempts behind figure 6, by pi*, vanilla and BC in the Far room of Montezuma's Revenge.

These are the probe's first attempts, with the same start states and seeds for all; none is hand-picked. Their
frames are derived from their actions, so all can be reproduced from the plotted data.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from io import BytesIO
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from fpc.figures import style
from fpc.figures.entry import Entry
from fpc.figures.interface import FigureSettings, MissingData

ATTEMPTS = 4  # of each policy
LONGEST = 120  # frames of the animation; longer attempts are sped up
MILLISECONDS = 66  # four frames of the game
SUCCESS, FAILURE = "#009E73", "#D55E00"
BORDER = 3  # pixels
COLUMNS = ["policy", "seed", "step", "probe", "episode", "success", "start", "digest", "actions"]


def data(entry: Entry, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """The first seed's first attempts: by pi* (vanilla at step 0) and by both methods at the last step.

    Columns ``COLUMNS``; actions, before (``start``) and in the attempt, are hexadecimal, two digits each, as
    executed by the game.

    Raises:
        MissingData: no attempt was saved.
    """
    attempts = tables["attempts"]
    attempts = attempts[attempts["probe"].str.startswith("room_")]
    if attempts.empty:
        raise MissingData(f"{entry.title}: no attempt was kept")
    attempts = attempts[(attempts["seed"] == attempts["seed"].min()) & (attempts["episode"] < ATTEMPTS)]
    last = attempts.groupby("method")["step"].transform("max")
    methods = entry.methods or ()
    before = attempts[(attempts["method"] == methods[0]) & (attempts["step"] == 0)]
    parts = [before.assign(policy=style.PI_STAR)]
    for method in methods:
        rows = attempts[(attempts["method"] == method) & (attempts["step"] == last)]
        parts.append(rows.assign(policy=method))
    found: pd.DataFrame = pd.concat(parts, ignore_index=True)[COLUMNS]
    for name in ("start", "actions"):
        found[name] = found[name].map(bytes.hex)
    return found


def draw(entry: Entry, data: pd.DataFrame, settings: FigureSettings, frames: pd.DataFrame) -> Figure:
    """One image per attempt: the maximum of each pixel over time, so that the player leaves a trail.

    ``frames`` has the columns ``attempt`` (index of a row of ``data``), ``frame``, ``rgb``.
    """
    policies = list(dict.fromkeys(data["policy"]))
    columns = int(data.groupby("policy").size().max())
    shown = _frames(frames)
    with style.theme():
        figure = style.new_figure(1.62 * len(policies) + 0.6)
        grid = figure.subplots(len(policies), columns, squeeze=False)
        for axes in grid.flat:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
        for line, policy in zip(grid, policies, strict=True):
            rows = data[data["policy"] == policy]
            line[0].set_ylabel(_label(policy, rows))
            for axes, (attempt, success) in zip(line, rows["success"].items(), strict=False):
                axes.imshow(shown[attempt].max(0), interpolation="nearest")
                colour = SUCCESS if success else FAILURE
                axes.set_title("success" if success else "failure", color=colour)
                for spine in axes.spines.values():
                    spine.set(visible=True, color=colour, linewidth=1.5)
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings, interval=False)


def animate(entry: Entry, data: pd.DataFrame, frames: pd.DataFrame) -> bytes:
    """A GIF of all attempts, one row per policy; a coloured border shows each outcome at its end."""
    policies, shown = list(dict.fromkeys(data["policy"])), _frames(frames)
    attempts = [
        (
            _label(policy, rows),
            [(shown[attempt], bool(success)) for attempt, success in rows["success"].items()],
        )
        for policy in policies
        if len(rows := data[data["policy"] == policy])
    ]
    longest = max(len(film) for _, line in attempts for film, _ in line)
    stride = ceil(longest / LONGEST)
    images = [_image(attempts, index) for index in range(0, longest + stride, stride)]
    palette = images[-1].quantize(64, dither=Image.Dither.NONE)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    content = BytesIO()
    durations = [MILLISECONDS] * len(others) + [2000]
    first.save(content, "GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=True)
    return content.getvalue()


def _frames(table: pd.DataFrame) -> dict[Hashable, np.ndarray]:
    """Frames of each attempt, uint8 ``[frames, height, width, 3]``."""
    ordered = table.sort_values(["attempt", "frame"])
    return {attempt: np.stack(list(rows)) for attempt, rows in ordered.groupby("attempt")["rgb"]}


def _label(policy: str, rows: pd.DataFrame) -> str:
    name, first = style.look_of(policy).label, rows.iloc[0]
    if policy == style.PI_STAR:
        return name
    return f"{name}, seed {first['seed']}\nafter {first['step']:,} steps"


Line = tuple[str, list[tuple[np.ndarray, bool]]]


def _image(attempts: list[Line], index: int) -> Image.Image:
    """All attempts at one step; finished ones show their last frame."""
    height, width = attempts[0][1][0][0].shape[1:3]
    margin, head = 2 * BORDER, 20
    columns = max(len(line) for _, line in attempts)
    size = (columns * (width + margin), len(attempts) * (height + margin + head))
    image = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(image), ImageFont.truetype(findfont("DejaVu Sans"), 12)
    for number, (label, line) in enumerate(attempts):
        top = number * (height + margin + head)
        pen.text((BORDER, top + 3), label.replace("\n", " "), fill="black", font=font)
        for column, (film, success) in enumerate(line):
            left = column * (width + margin)
            ended = index >= len(film)
            colour = (SUCCESS if success else FAILURE) if ended else "white"
            box = (left, top + head, left + width + margin - 1, top + head + height + margin - 1)
            pen.rectangle(box, fill=colour)
            frame = Image.fromarray(film[min(index, len(film) - 1)])
            image.paste(frame, (left + BORDER, top + head + BORDER))
    return image
