"""What the figures and tables of NetHack show, by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fpc.figures.drawing import load_figure
from fpc.figures.interface import FigureSettings, MissingData

from .nethack_tables import make_nethack

figure_3a, figure_4, figure_5, figure_15, figure_16, table_4, table_5 = (
    load_figure(name)
    for name in ("figure_3a", "figure_4", "figure_5", "figure_15", "figure_16", "table_4", "table_5")
)
SETTINGS = FigureSettings("tiny", resamples=100)
NAMES = ["method", "seed", "step", "probe", "group", "episode", "measure", "value"]


def frame(rows: list[tuple[object, ...]]) -> pd.DataFrame:
    """Rows of ``episodes.parquet``."""
    return pd.DataFrame(rows, columns=NAMES).assign(experiment="nethack")


def final(method: str, step: int, scores: list[float], seed: int = 0, measure: str = "score") -> list[tuple]:
    """Final games."""
    return [
        (method, seed, step, "final", "whole", number, measure, value) for number, value in enumerate(scores)
    ]


def means(data: pd.DataFrame) -> pd.DataFrame:
    """Rows of the mean."""
    return data[data["statistic"] == "mean"]


def test_training_is_averaged_in_25_bins_of_the_budget() -> None:
    training = pd.DataFrame(
        [
            ("vanilla", step, "return", value, 0)
            for step, value in ((1, 2.0), (39, 4.0), (41, 9.0), (1000, 5.0))
        ],
        columns=["method", "step", "metric", "value", "seed"],
    )
    episodes = frame([("vanilla", 0, 0, "level_1", "close", n, "return", float(n)) for n in range(3)])
    data = means(figure_3a.data({"training": training, "episodes": episodes}, SETTINGS))
    ours = data[data["method"] == "vanilla"]
    assert dict(zip(ours["step"], ours["value"], strict=True)) == {20.0: 3.0, 60.0: 9.0, 980.0: 5.0}
    assert data.loc[data["method"] == "pi_star", "value"].tolist() == [1.0]


def test_bins_of_5m_steps_from_the_first_update_on() -> None:
    """Vanilla samples 25M steps before its first update; scratch updates from the start, up to 500M steps."""
    first = {"vanilla": 25_001_984, "scratch": 0}
    games = [
        ("vanilla", 24_000_000, 100.0),  # in the warm-up: left out
        ("vanilla", 26_000_000, 1.0),
        ("vanilla", 30_000_000, 3.0),  # 4,998,016 steps after the first update
        ("vanilla", 30_001_984, 5.0),  # the second bin begins here
        ("scratch", 4_999_999, 7.0),
        ("scratch", 500_000_000, 9.0),
    ]
    rows = [(method, step, "return", value, 0) for method, step, value in games]
    rows += [
        (method, step + more, "learning_rate", 1e-4, 0) for method, step in first.items() for more in (0, 9)
    ]
    training = pd.DataFrame(rows, columns=["method", "step", "metric", "value", "seed"])
    data = means(figure_3a.data({"training": training, "episodes": frame([])}, SETTINGS))
    found = {
        method: dict(zip(part["step"], part["value"], strict=True))
        for method, part in data[data["method"] != "pi_star"].groupby("method")
    }
    assert found["vanilla"] == {2.5e6: 2.0, 7.5e6: 5.0}
    assert found["scratch"] == {2.5e6: 7.0, 497.5e6: 9.0}


def test_scratch_is_not_pi_star() -> None:
    tables = make_nethack(methods=["scratch"], seeds=1, pi_star_games=0)
    assert "pi_star" not in set(figure_3a.data(tables, SETTINGS)["method"])
    assert "pi_star" not in set(table_4.data(tables, SETTINGS)["method"])
    assert "pi_star" not in set(figure_15.data(tables, SETTINGS)["method"])


@pytest.mark.parametrize("sokoban", [True, False])
def test_figure_5_has_a_panel_for_each_far_probe(sokoban: bool) -> None:
    tables = make_nethack(methods=["vanilla"], seeds=1, sokoban=sokoban)
    data = figure_5.data(tables, SETTINGS)
    expected = {("level_2", "return"), ("sokoban", "pits_filled")} if sokoban else {("level_2", "return")}
    assert set(zip(data["probe"], data["measure"], strict=True)) == expected
    titles = [axes.get_title(loc="left") for axes in figure_5.draw(data, SETTINGS).axes]
    assert titles == (["dungeon level 2 (Far)", "Sokoban (Far)"] if sokoban else ["dungeon level 2 (Far)"])


def ways() -> dict[str, pd.DataFrame]:
    """One seed, two games over 60 turns: one finds level 2 at turn 30, one ends at turn 15 on level 1."""
    episodes = frame(
        [
            *final("vanilla", 100, [60.0, 15.0], measure="turns"),
            *final("vanilla", 100, [2.0, 1.0], measure="depth"),
        ]
    )
    columns = ["method", "seed", "step", "episode", "turn", "depth"]
    changes = [("vanilla", 0, 100, 0, 1, 1), ("vanilla", 0, 100, 0, 30, 2), ("vanilla", 0, 100, 1, 1, 1)]
    return {"episodes": episodes, "dungeon": pd.DataFrame(changes, columns=columns)}


def test_share_of_games_on_a_level_by_hand() -> None:
    data = figure_16.data(ways(), SETTINGS)  # the expert's tables are not there
    cells = data[data["part"] == "share"].set_index(["depth", "turn"])["value"]
    assert set(data["method"]) == {"vanilla"}
    assert cells[1, 0.5] == 1.0  # intervals are one turn wide
    assert cells[1, 14.5] == 1.0
    assert cells[1, 15.5] == 0.5  # the second game is over
    assert cells[1, 29.5] == 0.5
    assert cells[2, 30.5] == 0.5
    assert (1, 30.5) not in cells.index
    depth = data[(data["part"] == "depth") & (data["statistic"] == "mean")]
    assert depth["value"].tolist() == [1.5]


def test_ticks_of_rare_cells_are_not_rounded_to_zero() -> None:
    data = figure_16.data(ways(), SETTINGS)
    data.loc[data["part"] == "share", "value"] *= 1e-3
    figure = figure_16.draw(data, SETTINGS)
    figure.canvas.draw()
    ticks = [label.get_text() for label in figure.axes[-1].get_yticklabels()]
    assert {"0.1%", "1%", "100%"} <= set(ticks)
    assert "0%" not in ticks


def test_games_that_never_leave_a_level_are_drawn() -> None:
    tables = ways()
    tables["dungeon"] = tables["dungeon"][:1]
    data = figure_16.data(tables, SETTINGS)
    assert set(data.loc[data["part"] == "share", "depth"]) == {1}
    assert figure_16.draw(data, SETTINGS).axes


def test_the_dungeon_of_pi_star_is_that_of_step_0() -> None:
    tables = make_nethack(methods=["scratch", "vanilla", "kickstarting"], seeds=2)
    shown = set(figure_4.data(tables, SETTINGS)["method"])
    assert shown == {"expert", "pi_star", "scratch", "vanilla", "kickstarting"}
    copies = {name: table[table["method"] != "pi_star"] for name, table in tables.items()}
    assert "pi_star" in set(figure_4.data(copies, SETTINGS)["method"])
    late = {**tables, "dungeon": tables["dungeon"].query("step > 0")}
    assert "pi_star" not in set(figure_4.data(late, SETTINGS)["method"])
    drawn = figure_4.draw(figure_4.data(tables, SETTINGS), SETTINGS)
    assert drawn.axes[0].get_title(loc="left").startswith("our player\n")


def test_shares_of_returns_add_up_to_one() -> None:
    data = means(figure_15.data(make_nethack(methods=["scratch", "vanilla"], seeds=3), SETTINGS))
    sums = data.groupby("method")["value"].sum()
    np.testing.assert_allclose(sums, 1.0)
    assert set(sums.index) == {"scratch", "vanilla", "pi_star"}
    same = frame([*final("vanilla", 0, [7.0, 7.0]), *final("vanilla", 10, [7.0, 7.0])])
    data = means(figure_15.data({"episodes": same}, SETTINGS))
    assert data.loc[data["value"] > 0, "value"].tolist() == [1.0, 1.0]
    assert figure_15.draw(data, SETTINGS).axes


def test_table_4_by_hand() -> None:
    episodes = frame(
        [
            row
            for seed, (before, after) in enumerate([([100.0, 300.0], [10.0, 30.0]), ([400.0], [40.0])])
            for row in final("vanilla", 0, before, seed) + final("vanilla", 50, after, seed)
        ]
    )
    data = table_4.data({"episodes": episodes}, SETTINGS)
    scores = means(data).set_index("method")
    assert scores["value"].to_dict() == {"vanilla": 30.0, "pi_star": 300.0}
    assert scores["paper"].to_dict() == {"vanilla": 647.0, "pi_star": 5218.0}
    seeds = data[(data["part"] == "seed") & (data["method"] == "vanilla")]
    assert seeds["value"].tolist() == [20.0, 40.0]
    texts = {text.get_text() for axes in table_4.draw(data, SETTINGS).axes for text in axes.texts}
    assert {"20, 40", "962, 0.5, 1,717, 4.1, 606"} <= texts


def test_table_5_sets_ours_beside_earlier_work() -> None:
    episodes = frame([*final("vanilla", 0, [900.0]), *final("vanilla", 50, [30.0])])
    data = table_5.data({"episodes": episodes}, SETTINGS)
    assert len(data[data["method"].isna()]) == 7  # pi* stands once, with our number
    ours = means(data).set_index("model")
    assert ours.loc["cloning, scaled (π*)", ["paper", "value"]].tolist() == [5218.0, 900.0]
    assert ours.loc["fine-tuning (vanilla)", ["paper", "value"]].tolist() == [647.0, 30.0]
    axes = table_5.draw(data, SETTINGS).axes[0]
    assert "366 ± 35" in {text.get_text() for text in axes.texts}


def test_table_5_gives_scratch_with_a_term_from_our_runs() -> None:
    episodes = frame(
        [*final("scratch_kickstarting", 0, [1.0]), *final("scratch_kickstarting", 50, [30.0, 50.0])]
    )
    data = table_5.data({"episodes": episodes}, SETTINGS)
    assert "scratch + KS" not in set(data[data["method"].isna()]["model"])
    assert "scratch + BC" in set(data[data["method"].isna()]["model"])  # not run: the paper's number alone
    ours = means(data).set_index("model")
    assert ours.loc["scratch + KS", ["paper", "paper_deviation", "value"]].tolist() == [2090.0, 123.0, 40.0]
    axes = table_5.draw(data, SETTINGS).axes[0]
    assert {"2,090 ± 123", "scratch + KS"} <= {text.get_text() for text in axes.texts}


def test_one_milestone_shows_pi_star_alone() -> None:
    episodes = frame(final("vanilla", 0, [900.0, 100.0]))
    assert set(table_4.data({"episodes": episodes}, SETTINGS)["method"]) == {"pi_star"}
    data = figure_15.data({"episodes": episodes}, SETTINGS)
    assert set(data["method"]) == {"pi_star"}
    assert figure_15.draw(data, SETTINGS).axes
    with pytest.raises(MissingData):
        table_5.data({"episodes": episodes.query("measure != 'score'")}, SETTINGS)
