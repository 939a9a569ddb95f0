"""Film 6: what is behind figure 6: attempts of pi*, vanilla and BC in the Far room of Montezuma's Revenge.

The attempts are the first of the probe, the same for all: same start states, same chance; none is chosen.
They are played again from their actions, so every picture can be made again from the plotted data.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.filming import film
from fpc.domains.montezuma.start_states import StartState
from fpc.figures import style
from fpc.figures.interface import FigureSettings, MissingData

TITLE = "Attempts in the room that Far begins with, on Montezuma's Revenge"
EXPERIMENTS = ("montezuma",)
METHODS = ("vanilla", "behavioral_cloning")
TABLES = ("attempts",)

ATTEMPTS = 4  # of each policy
LONGEST = 120  # pictures of the animation; longer attempts are shown faster
MILLISECONDS = 66  # four frames of the game
SUCCESS, FAILURE = "#009E73", "#D55E00"
BORDER = 3  # pixels
COLUMNS = ["policy", "seed", "step", "probe", "episode", "success", "start", "digest", "actions"]


def data(tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """The first attempts of the first seed: of pi* (vanilla at step 0), and of both methods at the last step.

    Columns ``COLUMNS``; actions, before (``start``) and in the attempt, are hexadecimal, two digits each, as
    the game got them.

    Raises:
        MissingData: no attempt was kept.
    """
    attempts = tables["attempts"]
    attempts = attempts[attempts["probe"].str.startswith("room_")]
    if attempts.empty:
        raise MissingData(f"{TITLE}: no attempt was kept")
    attempts = attempts[(attempts["seed"] == attempts["seed"].min()) & (attempts["episode"] < ATTEMPTS)]
    last = attempts.groupby("method")["step"].transform("max")
    before = attempts[(attempts["method"] == METHODS[0]) & (attempts["step"] == 0)]
    parts = [before.assign(policy=style.PI_STAR)]
    for method in METHODS:
        rows = attempts[(attempts["method"] == method) & (attempts["step"] == last)]
        parts.append(rows.assign(policy=method))
    found: pd.DataFrame = pd.concat(parts, ignore_index=True)[COLUMNS]
    for name in ("start", "actions"):
        found[name] = found[name].map(bytes.hex)
    return found


def draw(data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """Each attempt in one picture: the brightest of every pixel, so that the player leaves a trail."""
    policies = list(dict.fromkeys(data["policy"]))
    columns = int(data.groupby("policy").size().max())
    emulator = Emulator()
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
            for axes, (_, row) in zip(line, rows.iterrows(), strict=False):
                axes.imshow(_frames(emulator, row).max(0), interpolation="nearest")
                colour = SUCCESS if row["success"] else FAILURE
                axes.set_title("success" if row["success"] else "failure", color=colour)
                for spine in axes.spines.values():
                    spine.set(visible=True, color=colour, linewidth=1.5)
        figure.suptitle(TITLE, x=0.01, ha="left")
        return style.finish(figure, settings, interval=False)


def animate(data: pd.DataFrame, settings: FigureSettings) -> bytes:
    """A GIF of all attempts side by side, a line a policy; each ends with a coloured border."""
    policies, emulator = list(dict.fromkeys(data["policy"])), Emulator()
    attempts = [
        (_label(policy, rows), [(_frames(emulator, row), bool(row["success"])) for _, row in rows.iterrows()])
        for policy in policies
        if len(rows := data[data["policy"] == policy])
    ]
    longest = max(len(frames) for _, line in attempts for frames, _ in line)
    stride = ceil(longest / LONGEST)
    pictures = [_picture(attempts, place) for place in range(0, longest + stride, stride)]
    palette = pictures[-1].quantize(64, dither=Image.Dither.NONE)
    first, *others = (picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures)
    content = BytesIO()
    durations = [MILLISECONDS] * len(others) + [2000]
    first.save(content, "GIF", save_all=True, append_images=others, duration=durations, loop=0, optimize=True)
    return content.getvalue()


def _frames(emulator: Emulator, row: pd.Series) -> np.ndarray:
    room = int(str(row["probe"]).removeprefix("room_"))
    start = StartState(room, int(row["seed"]), tuple(bytes.fromhex(row["start"])), str(row["digest"]))
    return film(emulator, start, bytes.fromhex(row["actions"]))


def _label(policy: str, rows: pd.DataFrame) -> str:
    name, first = style.look_of(policy).label, rows.iloc[0]
    if policy == style.PI_STAR:
        return name
    return f"{name}, seed {first['seed']}\nafter {first['step']:,} steps"


Line = tuple[str, list[tuple[np.ndarray, bool]]]


def _picture(attempts: list[Line], place: int) -> Image.Image:
    """All attempts at one step; those that ended show their last picture."""
    height, width = attempts[0][1][0][0].shape[1:3]
    margin, head = 2 * BORDER, 20
    columns = max(len(line) for _, line in attempts)
    size = (columns * (width + margin), len(attempts) * (height + margin + head))
    picture = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.truetype(findfont("DejaVu Sans"), 12)
    for number, (label, line) in enumerate(attempts):
        top = number * (height + margin + head)
        pen.text((BORDER, top + 3), label.replace("\n", " "), fill="black", font=font)
        for column, (frames, success) in enumerate(line):
            left = column * (width + margin)
            ended = place >= len(frames)
            colour = (SUCCESS if success else FAILURE) if ended else "white"
            box = (left, top + head, left + width + margin - 1, top + head + height + margin - 1)
            pen.rectangle(box, fill=colour)
            frame = Image.fromarray(frames[min(place, len(frames) - 1)])
            picture.paste(frame, (left + BORDER, top + head + BORDER))
    return picture
