"""The film of attempts, on real start states."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageColor

from fpc.domains.montezuma.derived_tables import frames as frames_of
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.filming import film
from fpc.domains.montezuma.passages import replay_game
from fpc.figures.bespoke import film_6
from fpc.figures.catalogue import figure_entry
from fpc.figures.drawing import load_figure
from fpc.figures.interface import FigureSettings
from tests.domains.montezuma.known_states import start

from .montezuma_tables import make_montezuma

ENTRY = figure_entry("film_6")
SETTINGS = FigureSettings("tiny")


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    return film_6.data(ENTRY, make_montezuma(["montezuma"]), SETTINGS)


@pytest.fixture(scope="module")
def frames(data: pd.DataFrame) -> pd.DataFrame:
    return frames_of(data)


def test_it_shows_the_first_attempts_of_the_first_seed(data: pd.DataFrame) -> None:
    assert data["policy"].unique().tolist() == ["pi_star", "vanilla", "behavioral_cloning"]
    assert set(data["seed"]) == {0}
    assert data.groupby("policy")["episode"].apply(list).map(len).tolist() == [4, 4, 4]
    assert data.groupby("policy")["step"].unique().map(list).to_dict() == {
        "pi_star": [0],
        "vanilla": [60_000],
        "behavioral_cloning": [60_000],
    }


def test_frames_begin_at_the_start_and_end_with_the_room() -> None:
    state = start(7, 3)
    frames = film(Emulator(), state, bytes(10))
    emulator = Emulator()
    for action in state.actions:
        emulator.step(action)
    assert np.array_equal(frames[0], emulator.rgb()[47:200])
    assert frames.shape == (11, 153, 160, 3)
    stays = replay_game(Emulator(), 0, state.actions).passages
    entry, following = stays[0].states[0], stays[1].states[0]
    rest = bytes(state.actions[len(entry.actions) :])
    assert len(film(Emulator(), entry, rest)) == len(following.actions) - len(entry.actions)


def test_an_altered_attempt_is_rejected(data: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="RAM's digest"):
        frames_of(data.assign(digest="0" * 64))


def test_each_attempt_has_its_frames(data: pd.DataFrame, frames: pd.DataFrame) -> None:
    assert set(frames["attempt"]) == set(data.index)
    lengths = frames.groupby("attempt")["frame"].agg(["min", "max", "count"])
    assert (lengths["min"] == 0).all()
    assert (lengths["max"] + 1 == lengths["count"]).all()
    assert lengths["count"].tolist() == [len(actions) // 2 + 1 for actions in data["actions"]]


def test_the_animation_lasts_as_long_as_the_longest_and_marks_outcomes(
    data: pd.DataFrame, frames: pd.DataFrame
) -> None:
    content = film_6.animate(ENTRY, data, frames)
    assert content == load_figure("film_6").animate(data, frames=frames)
    assert load_figure("figure_6").animate(data) is None
    picture = Image.open(BytesIO(content))
    assert picture.n_frames == 27  # 25 steps, the start, and the outcome  # type: ignore[attr-defined]
    picture.seek(26)
    last = np.asarray(picture.convert("RGB"))
    picture.seek(0)
    first = np.asarray(picture.convert("RGB"))
    for column, colour in ((0, film_6.SUCCESS), (3, film_6.FAILURE)):
        corner = last[20, column * 166]
        assert np.abs(corner.astype(int) - ImageColor.getrgb(colour)).max() < 12
        assert first[20, column * 166].min() > 240
