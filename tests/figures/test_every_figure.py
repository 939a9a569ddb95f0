"""Every figure of RoboticSequence, NetHack and Montezuma's Revenge is drawn, legible and reproducible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from fpc.core.tables import EXPERT, PI_STAR
from fpc.domains import registry
from fpc.domains.robotic_sequence import recorded_tables
from fpc.figures import style
from fpc.figures.bespoke import film_6
from fpc.figures.catalogue import figure_domain, figure_entry, figure_names
from fpc.figures.drawing import DrawnFigure, load_figure
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.publication import derived_tables

TOYS = {"figure_9", "figure_10", "figure_11"}
NAMES = [name for name in figure_names() if name not in TOYS]
WITHOUT_INTERVAL = {  # of one run
    "figure_12": ["room", "x", "y", "visits"],
    "film_6": film_6.COLUMNS,
    "film_7": [*recorded_tables.COLUMNS],
}
CURVES = [name for name in NAMES if name not in WITHOUT_INTERVAL]
SETTINGS = FigureSettings("tiny", resamples=100, stamp="scale tiny · 5 seeds · 200k steps")
Tables = dict[str, pd.DataFrame]


def derived_of(drawn: DrawnFigure, data: pd.DataFrame) -> Tables:
    """The tables that the figure's domain derives."""
    return derived_tables(drawn.entry, data, registry.derived_tables(figure_domain(drawn.entry.name)))


def tables_of(name: str, make_tables: Callable[..., Tables]) -> Tables:
    """The figure's tables, restricted to its methods as in the phase."""
    entry = figure_entry(name)
    tables = make_tables(entry.experiments)
    chosen = {key: tables[key] for key in entry.tables}
    recorded = {key: tables[key] for key in entry.recorded}  # of the policies shown alone
    if not entry.pi_star:
        chosen = {key: table[table["method"] != PI_STAR] for key, table in chosen.items()}
    if entry.methods is None:
        return chosen | recorded
    kept = (*entry.methods, EXPERT, PI_STAR)
    return {key: table[table["method"].isin(kept)] for key, table in chosen.items()} | recorded


@pytest.fixture(scope="module", params=NAMES)
def drawn(
    request: pytest.FixtureRequest, make_tables: Callable[..., Tables]
) -> tuple[str, pd.DataFrame, Figure]:
    """Name, plotted data and figure."""
    drawn = load_figure(request.param)
    data = drawn.data(tables_of(request.param, make_tables), SETTINGS)
    return (
        request.param,
        data,
        drawn.draw(data, SETTINGS, **derived_of(drawn, data)),
    )


def visible_texts(figure: Figure) -> list[Text]:
    """All visible texts."""
    texts = [text for text in figure.findobj(Text) if isinstance(text, Text)]
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def test_text_is_legible_and_inside(drawn: tuple[str, pd.DataFrame, Figure]) -> None:
    _, _, figure = drawn
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    for text in visible_texts(figure):
        assert text.get_fontsize() >= 8.0, text.get_text()
    box = figure.get_tightbbox(canvas.get_renderer())
    width, height = figure.get_size_inches()
    assert min(box.x0, box.y0) >= -0.02
    assert max(box.x1 - width, box.y1 - height) <= 0.02


def test_legend_stamp_and_title_are_apart_from_the_data(drawn: tuple[str, pd.DataFrame, Figure]) -> None:
    name, _, figure = drawn
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    stamp = next(text for text in figure.texts if SETTINGS.stamp in text.get_text())
    boxes: list[tuple[str, Bbox]] = [("stamp", stamp.get_window_extent())]
    boxes += [("legend", legend.get_window_extent()) for legend in figure.legends]
    shown = [axes for axes in figure.axes if axes.axison]
    boxes += [("panel", box) for axes in shown if (box := tight(axes, canvas)) is not None]
    for index, (first, one) in enumerate(boxes):
        for second, other in boxes[index + 1 :]:
            overlap = Bbox.intersection(one, other)
            assert overlap is None or min(overlap.width, overlap.height) < 2.0, (name, first, second)
    assert figure.get_suptitle() == figure_entry(name).title


def tight(axes: Axes, canvas: FigureCanvasAgg) -> Bbox | None:
    """The panel with its labels; a long label may extend below its neighbours."""
    return axes.get_tightbbox(canvas.get_renderer(), for_layout_only=True)


def test_files_are_reproducible(
    drawn: tuple[str, pd.DataFrame, Figure], make_tables: Callable[..., Tables], tmp_path: Path
) -> None:
    name, data, figure = drawn
    reloaded = load_figure(name)
    again = reloaded.data(tables_of(name, make_tables), SETTINGS)
    redrawn = reloaded.draw(again, SETTINGS, **derived_of(reloaded, again))
    first = style.save(figure, data, tmp_path / "first", name, {"digest": "0a1b"})
    second = style.save(redrawn, again, tmp_path / "second", name, {"digest": "0a1b"})
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.suffix
    assert {path.suffix for path in first} == {".svg", ".png", ".csv"}
    assert len(list((tmp_path / "first").iterdir())) == 3


def test_plotted_data_contain_seeds_and_interval(drawn: tuple[str, pd.DataFrame, Figure]) -> None:
    name, data, _ = drawn
    if name in WITHOUT_INTERVAL:
        assert list(data.columns) == WITHOUT_INTERVAL[name]
        return
    assert {"seeds", "value", "low", "high", "level"} <= set(data.columns)
    lines = data[data["level"].notna()]
    one_policy = lines.get("unit", pd.Series("seed", lines.index)).isin(["game", "start state", "round"])
    assert (lines.loc[~one_policy, "seeds"] == 5).all()
    assert (lines.loc[one_policy, "seeds"] == 1).all()
    if one_policy.any():
        assert (lines.loc[one_policy, "units"] > 5).all()
        assert (lines.loc[one_policy, "low"] < lines.loc[one_policy, "high"]).any()
    assert (lines["low"] <= lines["value"] + 1e-9).all()
    assert (lines["value"] <= lines["high"] + 1e-9).all()
    if name != "table_6":
        assert set(lines["statistic"]) == {"mean", "iqm"}
        assert (lines.loc[lines["statistic"] == "mean", "level"] == 0.90).all()
        assert (lines.loc[lines["statistic"] == "iqm", "level"] == 0.95).all()


@pytest.mark.parametrize("name", NAMES)
def test_missing_data_are_reported(name: str, make_tables: Callable[..., Tables]) -> None:
    tables = {key: table.iloc[:0] for key, table in tables_of(name, make_tables).items()}
    with pytest.raises(MissingData):
        load_figure(name).data(tables, SETTINGS)


@pytest.mark.parametrize("name", CURVES)
def test_one_seed_is_drawn_without_interval(name: str, make_tables: Callable[..., Tables]) -> None:
    tables = tables_of(name, make_tables)
    single = {key: table[table["seed"] == 0] for key, table in tables.items()}
    single_seed = load_figure(name)
    data = single_seed.data(single, SETTINGS)
    over_games = data.get("unit", pd.Series("seed", data.index)).isin(["game", "start state", "round"])
    assert data.loc[~over_games, "low"].isna().all()
    assert isinstance(single_seed.draw(data, SETTINGS), Figure)
