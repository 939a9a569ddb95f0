"""pi*'s level in figures and tables, by hand: one policy, whose games or start states vary."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest

from fpc.core.tables import NO_START
from fpc.figures.drawing import load_figure
from fpc.figures.interface import FigureSettings
from fpc.figures.pi_star import pi_star_level
from fpc.figures.summary import per_run

SETTINGS = FigureSettings("tiny")
COUNTS = ["seeds", "units", "unit"]
NAMES = ["method", "seed", "step", "probe", "group", "start", "episode", "measure", "value"]
Rows = list[tuple[object, ...]]


def frame(rows: Rows, experiment: str = "nethack") -> pd.DataFrame:
    """Rows of ``episodes.parquet``."""
    return pd.DataFrame(rows, columns=NAMES).assign(experiment=experiment)


def rows_of(
    method: str,
    seed: int,
    step: int,
    values: Iterable[float],
    *,
    probe: str = "final",
    group: str = "whole",
    starts: int | None = None,
    measure: str = "score",
) -> Rows:
    """One row per value; with ``starts``, episode n begins in start state n modulo ``starts``."""
    return [
        (method, seed, step, probe, group, number % starts if starts else NO_START, number, measure, value)
        for number, value in enumerate(values)
    ]


def copied(values: Iterable[float], **other: object) -> pd.DataFrame:
    """pi*'s own rows, and those of vanilla in five seeds: step 0 is pi*'s, step 50 has one value per seed."""
    values = list(values)
    rows = rows_of("pi_star", 0, 0, values, **other)  # type: ignore[arg-type]
    for seed in range(5):
        rows += rows_of("vanilla", seed, 0, values, **other)  # type: ignore[arg-type]
        rows += rows_of("vanilla", seed, 50, [float(seed)], **other)  # type: ignore[arg-type]
    return frame(rows)


def level(data: pd.DataFrame) -> pd.Series:
    """pi*'s row with the mean."""
    (_, row), *more = data[(data["method"] == "pi_star") & (data["statistic"] == "mean")].iterrows()
    assert not more
    return row


def test_a_thousand_games_have_the_interval_of_a_thousand_games() -> None:
    """The mean of 1000 normal games has a standard error of 5000 / sqrt(1000) = 158; 90 %: +- 1.645 of it."""
    scores = np.random.default_rng(0).normal(5110.0, 5000.0, 1000)
    data = load_figure("table_5").data({"episodes": copied(scores)}, SETTINGS)
    found = level(data)
    assert found[COUNTS].tolist() == [1, 1000, "game"]
    assert found["value"] == pytest.approx(scores.mean())
    error = scores.std() / np.sqrt(1000)
    assert found["low"] == pytest.approx(scores.mean() - 1.645 * error, abs=0.1 * error)
    assert found["high"] == pytest.approx(scores.mean() + 1.645 * error, abs=0.1 * error)
    vanilla = data[(data["method"] == "vanilla") & (data["statistic"] == "mean")]
    assert vanilla[[*COUNTS, "value"]].values.tolist() == [[5, 5, "seed", 2.0]]


def test_games_are_averaged_not_trimmed() -> None:
    """Nine of ten succeed: the middle half would say 1."""
    episodes = copied([1.0] * 9 + [0.0])
    data = load_figure("table_4").data({"episodes": episodes}, SETTINGS)
    rows = data[data["method"] == "pi_star"]
    assert rows["value"].tolist() == [pytest.approx(0.9)] * 2
    assert set(rows["statistic"]) == {"mean", "iqm"}
    assert not (data["part"].eq("seed") & data["method"].eq("pi_star")).any()


def test_episodes_from_a_start_state_are_averaged_first() -> None:
    """Five start states with means .5, 1, 0, 1 and 0: two episodes of each would pass for ten otherwise."""
    values = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 0.0]
    far = copied(values, probe="level_4", group="far", starts=5, measure="return")
    data = load_figure("figure_5").data({"episodes": far}, SETTINGS)
    found = level(data)
    assert found[[*COUNTS, "value"]].tolist() == [1, 5, "start state", 0.5]
    # Of 3125 resamples 32 have the mean 0, 80 more .1 and 240 more .2: the 5 % quantile (156) is .2.
    assert found[["low", "high"]].tolist() == [pytest.approx(0.2), pytest.approx(0.8)]


def test_few_start_states_are_no_sample_and_rounds_of_them_vary() -> None:
    """Two start states, one always solved: with rounds of both, .5 is certain; over start states, 0 to 1."""
    values = [1.0, 0.0] * 6
    far = copied(values, probe="level_4", group="far", starts=2, measure="return")
    found = level(load_figure("figure_5").data({"episodes": far}, SETTINGS))
    assert found[[*COUNTS, "value", "low", "high"]].tolist() == [1, 6, "round", 0.5, 0.5, 0.5]


def test_a_round_that_lacks_a_start_state_does_not_count() -> None:
    """Five episodes from two start states: the last one has no partner."""
    far = copied([1.0, 0.0, 0.0, 1.0, 1.0], probe="level_4", group="far", starts=2, measure="return")
    found = level(load_figure("figure_5").data({"episodes": far}, SETTINGS))
    assert found[[*COUNTS, "value"]].tolist() == [1, 2, "round", 0.5]


def test_figure_7_reads_pi_stars_own_episodes() -> None:
    episodes = frame(
        rows_of("pi_star", 0, 0, [1.0, 0.0], probe="3_x", group="far", starts=2, measure="success")
        + rows_of("pi_star", 0, 0, [0.0], probe="0_y", group="close", starts=1, measure="success")
        + rows_of("vanilla", 0, 0, [0.0, 0.0], probe="3_x", group="far", starts=2, measure="success"),
        "robotic_sequence",
    )
    data = load_figure("figure_7").data({"episodes": episodes}, SETTINGS)
    assert level(data)[[*COUNTS, "value", "probe"]].tolist() == [1, 1, "round", 0.5, "3_x"]
    assert set(data["method"]) == {"vanilla", "pi_star"}
    panel = load_figure("figure_7").draw(data, SETTINGS).axes[0]
    assert [line.get_color() for line in panel.lines] == ["#D55E00", "#7F7F7F"]  # no further method


def test_shares_of_returns_are_over_games() -> None:
    data = load_figure("figure_15").data({"episodes": copied([0.0, 10.0, 10.0, 10.0])}, SETTINGS)
    rows = data[(data["method"] == "pi_star") & (data["statistic"] == "mean")].sort_values("return")
    assert rows["value"].iloc[[0, -1]].tolist() == [0.25, 0.75]
    assert set(rows["units"]) == {4}
    assert set(rows["unit"]) == {"game"}
    assert rows["high"].iloc[-1] == 1.0


def test_the_dungeon_of_pi_star_counts_its_games_once() -> None:
    depths = copied([1.0, 2.0, 2.0, 3.0], measure="depth")
    turns = copied([100.0] * 4, measure="turns")
    columns = ["method", "seed", "step", "episode", "turn", "depth"]
    runs = [("pi_star", 0, 0), *(("vanilla", seed, step) for seed in range(5) for step in (0, 50))]
    dungeon = pd.DataFrame(
        [(*run, n, 1, 1) for run in runs for n in range(4 if run[2] == 0 else 1)], columns=columns
    )
    tables = {"episodes": pd.concat([depths, turns]), "dungeon": dungeon}
    data = load_figure("figure_16").data(tables, SETTINGS)
    cells = data[data["part"] == "share"].groupby("method")["games"].first()
    assert cells.to_dict() == {"pi_star": 4, "vanilla": 5}
    found = level(data[data["part"] == "depth"])
    assert found[[*COUNTS, "value"]].tolist() == [1, 4, "game", 2.0]
    without = {name: table[table["method"] != "pi_star"] for name, table in tables.items()}
    data = load_figure("figure_16").data(without, SETTINGS)
    assert data[data["part"] == "share"].groupby("method")["games"].first()["pi_star"] == 4
    assert level(data[data["part"] == "depth"])[[*COUNTS, "value"]].tolist() == [1, 1, "seed", 2.0]


def test_without_rows_of_its_own_pi_star_is_step_0_once_and_without_interval() -> None:
    episodes = copied([1.0, 0.0, 1.0])
    episodes = episodes[episodes["method"] != "pi_star"]
    found = level(load_figure("table_5").data({"episodes": episodes}, SETTINGS))
    assert found[COUNTS].tolist() == [1, 1, "seed"]
    assert found["value"] == pytest.approx(2 / 3)
    assert np.isnan(found["low"])
    assert np.isnan(found["high"])


def test_several_pi_stars_are_summarised_over_seeds() -> None:
    episodes = frame(rows_of("pi_star", 0, 0, [1.0, 0.0]) + rows_of("pi_star", 1, 0, [1.0, 1.0, 1.0]))
    found = level(
        pi_star_level(episodes, lambda rows: per_run(rows, "score", ["method"]), ["method"], SETTINGS)
    )
    assert found[[*COUNTS, "value"]].tolist() == [2, 2, "seed", 0.75]


def test_a_figure_that_does_not_show_pi_star_by_itself_has_no_level() -> None:
    episodes = frame(rows_of("vanilla", 0, 0, [1.0], probe="start", group="close", measure="return"))
    training = pd.DataFrame(
        [("behavioral_cloning", 0, 10, "score", 1.0)], columns=["method", "seed", "step", "metric", "value"]
    )
    tables = {"episodes": episodes, "training": training.assign(experiment="montezuma_memory_100")}
    assert set(load_figure("figure_19").data(tables, SETTINGS)["method"]) == {"behavioral_cloning"}


def test_montezumas_random_policy_is_over_rounds_of_the_start_states_of_pi_star() -> None:
    rows: Rows = []
    for probe, values in (("room_7", [1.0, 0.0]), ("random", [0.0, 1.0, 0.0, 0.0])):
        for method, seed in (("pi_star", 0), ("vanilla", 0), ("vanilla", 1)):
            more = {"probe": probe, "group": "far", "starts": 2, "measure": "success"}
            rows += rows_of(method, seed, 0, values, **more)  # type: ignore[arg-type]
    data = load_figure("figure_6").data({"episodes": frame(rows, "montezuma")}, SETTINGS)
    means = data[data["statistic"] == "mean"].set_index("method")
    assert means.loc["random", [*COUNTS, "value"]].tolist() == [1, 2, "round", 0.25]
    assert means.loc["pi_star", [*COUNTS, "value"]].tolist() == [1, 1, "round", 0.5]
