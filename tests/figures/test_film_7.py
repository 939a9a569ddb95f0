"""The film of the robot, rendered by MuJoCo where it can, and the figure without it."""

from __future__ import annotations

from io import BytesIO, StringIO

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from PIL import Image, ImageColor

from fpc.domains.robotic_sequence import filming
from fpc.domains.robotic_sequence.derived_tables import frames as frames_of
from fpc.figures.bespoke import film_7
from fpc.figures.catalogue import figure_entry
from fpc.figures.embedded import csv_text
from fpc.figures.interface import FigureSettings

from .film_attempts import LIMIT, make_attempts

ENTRY = figure_entry("film_7")
SETTINGS = FigureSettings("tiny")
PANEL = filming.SIZE + 2 * film_7.BORDER


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return film_7.data(ENTRY, {"attempts": make_attempts()}, SETTINGS)


@pytest.fixture(scope="module")
def frames(data: pd.DataFrame) -> pd.DataFrame:
    """Rendered frames; skips the tests that need them where nothing renders."""
    try:
        filming.backend()
    except filming.NoRendering as error:
        pytest.skip(str(error))
    return frames_of(data)


def images_of(content: bytes) -> list[np.ndarray]:
    """All images of a GIF."""
    film = Image.open(BytesIO(content))
    found = []
    for index in range(film.n_frames):  # type: ignore[attr-defined]
        film.seek(index)
        found.append(np.asarray(film.convert("RGB")).astype(int))
    return found


def test_pi_star_comes_first_and_methods_follow_in_the_order_of_legends(data: pd.DataFrame) -> None:
    assert data["policy"].tolist() == ["pi_star", "vanilla", "behavioral_cloning"]
    assert data["success"].tolist() == [True, False, True]


def test_frames_go_from_the_start_to_the_end_of_each_attempt(
    data: pd.DataFrame, frames: pd.DataFrame
) -> None:
    for attempt, length in data["length"].items():
        assert frames.loc[frames["attempt"] == attempt, "frame"].tolist() == list(range(length + 1))
    starts = [rgb for step, rgb in frames[["frame", "rgb"]].itertuples(index=False) if step == 0]
    assert all(np.array_equal(starts[0], other) for other in starts[1:])
    assert starts[0].shape == (200, 200, 3)
    assert starts[0].std() > 20  # a scene
    ends = frames.groupby("attempt")["rgb"].last()
    assert not np.array_equal(ends[0], starts[0])
    assert np.array_equal(ends[0], ends[2])  # the same actions
    assert not np.array_equal(ends[0], ends[1])


def test_long_attempts_are_sampled_and_their_end_is_kept(
    data: pd.DataFrame, frames: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filming, "MOST_FRAMES", 3)
    fewer = frames_of(data.iloc[1:])
    solved = int(data["length"][2])
    assert fewer.loc[fewer["attempt"] == 1, "frame"].tolist() == [0, 7, 14, LIMIT]
    assert fewer.loc[fewer["attempt"] == 2, "frame"].tolist() == sorted({0, 7, 14, solved})
    kept = frames.merge(fewer, on=["attempt", "frame"])
    assert all(np.array_equal(one, other) for one, other in kept[["rgb_x", "rgb_y"]].to_numpy())
    content = film_7.animate(ENTRY, data.iloc[1:], fewer)
    assert content is not None
    assert len(images_of(content)) == 4


def test_a_border_shows_each_outcome_once_the_attempt_is_over(
    data: pd.DataFrame, frames: pd.DataFrame
) -> None:
    content = film_7.animate(ENTRY, data, frames)
    assert content is not None
    assert len(content) < 1_000_000
    film = images_of(content)
    assert len(film) == LIMIT + 1
    solved = int(data["length"][0])
    for column, (colour, end) in enumerate(
        [(film_7.SUCCESS, solved), (film_7.FAILURE, LIMIT), (film_7.SUCCESS, solved)]
    ):
        place = (film_7.HEAD + 1, column * PANEL + 1)
        assert np.abs(film[end][place] - ImageColor.getrgb(colour)).max() < 12
        assert film[end - 1][place].min() > 240
    first = film[solved][film_7.HEAD : film_7.HEAD + PANEL, :PANEL]
    assert np.array_equal(first, film[-1][film_7.HEAD : film_7.HEAD + PANEL, :PANEL])  # stands still


def test_the_published_rows_alone_give_the_same_film(data: pd.DataFrame, frames: pd.DataFrame) -> None:
    text = dict.fromkeys(("weights", "digest", "actions"), str)
    read = pd.read_csv(StringIO(csv_text(data)), dtype=text)
    assert film_7.animate(ENTRY, read, frames_of(read)) == film_7.animate(ENTRY, data, frames)


def test_without_a_backend_the_figure_gives_outcomes_and_the_reason(
    data: pd.DataFrame, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(filming, "BACKENDS", ("none",))
    filming.backend.cache_clear()
    try:
        empty = frames_of(data)
    finally:
        filming.backend.cache_clear()
    assert film_7.animate(ENTRY, data, empty) is None
    figure = film_7.draw(ENTRY, data, SETTINGS, empty)
    shown = " ".join(text.get_text() for text in figure.findobj(Text) if isinstance(text, Text))
    shown = " ".join(shown.split())
    assert f"Vanilla, seed 0, after 20,000 steps: not solved in {LIMIT} steps" in shown
    reason = "invalid value for environment variable MUJOCO_GL: none"
    for words in (shown, caplog.text):
        assert reason in words
        assert "apt-get install libegl1 libgl1-mesa-dri, or libosmesa6" in words
