"""The content of figures, by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from fpc.figures import style
from fpc.figures.catalogue import figure_entry, figure_names, paper_order
from fpc.figures.drawing import load_figure
from fpc.figures.families.success_curves import probe_title
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.publication import stamp
from fpc.figures.summary import per_run, summarise
from fpc.figures.variants import Variants

SETTINGS = FigureSettings("tiny", resamples=200)
figure_7, figure_8, table_6 = (load_figure(name) for name in ("figure_7", "figure_8", "table_6"))
Episodes = Callable[..., pd.DataFrame]


def curve(values: dict[str, list[float]], probe: str = "1_push-wall", group: str = "far") -> pd.DataFrame:
    """Episodes, one per step; method -> success at steps 0, 10, 20, ..."""
    rows = [
        ("robotic_sequence", method, seed, 10 * index, probe, group, 0, "success", value)
        for method, heights in values.items()
        for seed in range(3)
        for index, value in enumerate(heights)
    ]
    names = ["experiment", "method", "seed", "step", "probe", "group", "episode", "measure", "value"]
    return pd.DataFrame(rows, columns=names)


def test_episodes_are_averaged_within_a_run_first() -> None:
    episodes = pd.DataFrame(
        {
            "method": "vanilla",
            "seed": [0, 0, 0, 0, 1],
            "step": 0,
            "measure": ["success"] * 4 + ["success"],
            "value": [0.0, 0.0, 0.0, 0.0, 1.0],
        }
    )
    runs = per_run(episodes, "success", ["method"])
    assert runs["value"].tolist() == [0.0, 1.0]
    summary = summarise(runs, ["method"], SETTINGS)
    assert summary.loc[summary["statistic"] == "mean", ["value", "seeds"]].values.tolist() == [[0.5, 2.0]]


def test_unfinished_runs_count_at_the_steps_they_reached() -> None:
    runs = pd.DataFrame(
        {"method": "vanilla", "seed": [0, 0, 1], "step": [0, 10, 0], "value": [1.0, 0.5, 0.0]}
    )
    summary = summarise(runs, ["method"], SETTINGS)
    means = summary[summary["statistic"] == "mean"].set_index("step")
    assert means["seeds"].to_dict() == {0: 2, 10: 1}
    assert means["value"].to_dict() == {0: 0.5, 10: 0.5}
    assert np.isnan(means["low"][10])
    assert not np.isnan(means["low"][0])


def test_pi_star_is_the_level_before_fine_tuning() -> None:
    episodes = curve({"scratch": [0.0, 0.5], "vanilla": [0.9, 0.1], "behavioral_cloning": [0.9, 1.0]})
    data = figure_7.data({"episodes": episodes}, SETTINGS)
    before = data[(data["method"] == "pi_star") & (data["statistic"] == "mean")]
    assert before["value"].tolist() == [pytest.approx(0.9)]
    (panel,) = figure_7.draw(data, SETTINGS).axes[:1]
    grey = [line for line in panel.lines if line.get_color() == "#7F7F7F"]
    assert [line.get_ydata()[0] for line in grey] == [pytest.approx(0.9)]


def test_lines_show_the_means_in_their_colours() -> None:
    data = figure_7.data({"episodes": curve({"vanilla": [0.9, 0.1, 0.4]})}, SETTINGS)
    panel = figure_7.draw(data, SETTINGS).axes[0]
    line = next(line for line in panel.lines if line.get_color() == "#D55E00")
    np.testing.assert_allclose(line.get_ydata(), [0.9, 0.1, 0.4])
    np.testing.assert_allclose(line.get_xdata(), [0, 10, 20])
    assert line.get_linestyle() == "--"  # Far


def test_the_step_by_which_half_of_the_seeds_had_been_at_far_is_marked() -> None:
    """Vanilla: seeds 0 to 2 at steps 12, 4 and never, so two of three by 12. BC: one of three only."""
    episodes = curve({"vanilla": [0.9, 0.1, 0.4], "behavioral_cloning": [0.9, 0.9, 0.9]})
    rows = [
        ("vanilla", 0, 12, "first_visit_1_push-wall", 12.0),
        ("vanilla", 1, 4, "first_visit_1_push-wall", 4.0),
        ("vanilla", 2, 20, "first_visit_1_push-wall", np.nan),
        ("behavioral_cloning", 0, 4, "first_visit_1_push-wall", 4.0),
        ("behavioral_cloning", 1, 20, "first_visit_1_push-wall", np.nan),
        ("behavioral_cloning", 2, 20, "return", 1.0),  # of a table without rows for "never"
    ]
    training = pd.DataFrame(rows, columns=["method", "seed", "step", "metric", "value"])
    tables = {"episodes": episodes, "training": training.assign(experiment="robotic_sequence")}
    data = figure_7.data(tables, SETTINGS)
    visits = data[data["statistic"] == "first_visit"].set_index("method")
    assert visits["step"].to_dict() == {"vanilla": 12, "behavioral_cloning": 20}
    assert visits["value"].to_dict() == {
        "vanilla": pytest.approx(2 / 3),
        "behavioral_cloning": pytest.approx(1 / 3),
    }
    assert set(visits["probe"]) == {"1_push-wall"}
    figure = figure_7.draw(data, SETTINGS)
    marks = [line for line in figure.axes[0].lines if line.get_marker() == "^"]
    assert [(list(line.get_xdata()), line.get_color()) for line in marks] == [([12], "#D55E00")]
    unmarked = figure_7.data(tables | {"training": tables["training"].iloc[5:6]}, SETTINGS)
    assert set(unmarked["statistic"]) == {"mean", "iqm"}


def test_the_drawn_statistic_follows_the_setting() -> None:
    rows = curve({"vanilla": [0.0]})
    extra = [rows.assign(seed=seed, value=float(seed == 9)) for seed in range(3, 10)]
    data = figure_7.data({"episodes": pd.concat([rows.assign(value=0.0), *extra])}, SETTINGS)
    heights = {}
    for interval in ("paper", "iqm"):
        settings = FigureSettings("tiny", interval=interval)  # type: ignore[arg-type]
        panel = figure_7.draw(data, settings).axes[0]
        heights[interval] = next(line for line in panel.lines if line.get_color() == "#D55E00").get_ydata()[0]
    assert heights == {"paper": pytest.approx(0.1), "iqm": 0.0}


def test_figure_8_shows_the_last_stage_of_one_seed(
    make_tables: Callable[..., dict[str, pd.DataFrame]],
) -> None:
    tables = make_tables(["robotic_sequence"])
    data = figure_8.data(tables, SETTINGS)
    assert set(data.loc[data["part"] == "success", "probe"]) == {"3_push-wall"}
    states = data[data["part"] == "state"]
    assert set(states["seed"]) == {0}
    assert sorted(states["step"].unique()) == [0, 40_000, 100_000, 160_000, 200_000]
    expected = tables["states"].query("seed == 0 and stage == '3_push-wall' and step == 40000")[
        "log_likelihood"
    ]
    np.testing.assert_allclose(states.loc[states["step"] == 40_000, "log_likelihood"], expected)


def test_table_6_by_hand() -> None:
    values = {"scratch": [0.0, 0.5, 1.0], "vanilla": [1.0, 0.0, 1.0], "behavioral_cloning": [1.0, 1.0, 1.0]}
    episodes = curve(values).assign(experiment="robotic_sequence_prefix_2_push_wall")
    data = table_6.data({"episodes": episodes}, SETTINGS).set_index("method")
    assert data["value"].to_dict() == {"vanilla": 0.0, "behavioral_cloning": 1.0}
    assert data["prefix"].unique().tolist() == [2]
    assert data["paper"].to_dict() == {"vanilla": 0.17, "behavioral_cloning": 0.97}


def test_variants_are_ordered_by_number() -> None:
    variants = Variants(r"_shift_([\d.]+)$", "c = {}")
    names = ["x_shift_10", "x_shift_0.1", "x_shift_1"]
    assert variants.ordered(names) == ["x_shift_0.1", "x_shift_1", "x_shift_10"]
    assert variants.label("x_shift_0.1") == "c = 0.1"
    with pytest.raises(ValueError, match="x_width_3"):
        variants.values("x_width_3")


def test_figures_in_the_papers_order() -> None:
    names = ["table_6", "figure_10", "figure_3c", "figure_2"]
    assert sorted(names, key=paper_order) == ["figure_2", "figure_3c", "figure_10", "table_6"]
    assert {"figure_2", "figure_3c", "table_6"} <= set(figure_names())
    with pytest.raises(ValueError, match="Did you mean 'figure_3c'"):
        load_figure("figure_3")


def test_probe_titles() -> None:
    assert probe_title("2_peg-unplug-side", "far") == "3 peg-unplug-side (Far)"
    assert probe_title("whole", "whole") == "whole sequence"
    assert probe_title("phase_1", "close") == "phase 1 (Close)"
    assert probe_title("left_door", "far") == "left door (Far)"


def test_metadata_are_inside_the_files(make_episodes: Episodes, tmp_path: Path) -> None:
    data = figure_7.data({"episodes": make_episodes(methods=["vanilla"], seeds=2)}, SETTINGS)
    figure = figure_7.draw(data, SETTINGS)
    svg, png, csv = style.save(figure, data, tmp_path, "figure_7", {"digest": "0a1b"})
    assert "0a1b" in svg.read_text()
    assert "<dc:date>" not in svg.read_text()
    with Image.open(png) as image:
        assert image.info["Description"] == '{"digest":"0a1b"}'
    pd.testing.assert_frame_equal(pd.read_csv(csv), data, rtol=1e-6, check_dtype=False)


def test_drawing_does_not_change_matplotlibs_state(make_episodes: Episodes) -> None:
    before = dict(mpl.rcParams)
    figure_7.draw(figure_7.data({"episodes": make_episodes(seeds=2)}, SETTINGS), SETTINGS)
    assert dict(mpl.rcParams) == before


def test_ordered_looks_differ_in_lightness() -> None:
    looks = style.ordered_looks(["a", "b", "c", "d", "e"])
    lightness = [float(np.dot(to_rgb(look.colour), (0.2126, 0.7152, 0.0722))) for look in looks]
    assert np.all(np.diff(lightness) > 0.05)
    assert len({look.marker for look in looks}) == 5


def test_methods_outside_the_paper_come_last() -> None:
    assert style.in_order(["zeta", "vanilla", "alpha", "scratch"]) == ["scratch", "vanilla", "alpha", "zeta"]


def test_summary_of_nothing() -> None:
    with pytest.raises(MissingData):
        summarise(pd.DataFrame(columns=["method", "seed", "step", "value"]), ["method"], SETTINGS)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("figure_7", "tiny | 2 seeds | 5,000 environment steps"),
        ("figure_10", "tiny | 2 seeds | 5,000 episodes"),
        ("figure_apple_retrieval", "tiny | 2 seeds | 5,000 episodes"),
        ("figure_9", "tiny | 2 seeds | 5,000 gradient steps"),
    ],
)
def test_a_stamp_says_what_its_steps_are(name: str, words: str) -> None:
    episodes = pd.DataFrame({"seed": [0, 1], "step": [0, 5000]})
    assert stamp("tiny", figure_entry(name), episodes, ()) == words
    assert stamp("tiny", figure_entry(name), episodes, ["why"]) == f"{words} | unequal budgets: why"
