"""Dungeon depth of games over turns: Figures 4 and 16.

The paper shows kernel densities of about a thousand games. Levels are integers, which a kernel would
smear, and a kernel fails when all games stay on one level. Here a cell is the fraction of all games that
are still running at that turn and whose deepest level so far is that one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, MaxNLocator
from numpy.typing import NDArray

from fpc.core.tables import EXPERT
from fpc.figures import style
from fpc.figures.entry import DungeonDensity
from fpc.figures.final_games import FINAL, final_summary, last_step
from fpc.figures.interface import FigureSettings, MissingData
from fpc.figures.pi_star import methods_starting_from_it
from fpc.figures.summary import SUMMARY

PAPER_TURNS = 50_000  # the end of the paper's axis
TURNS = 60  # intervals of the turns
COLUMNS = 4
OUR_PLAYER = "our player"  # recordings of other experts do not say when a game got how deep


def data(entry: DungeonDensity, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
    """Rows with ``part`` share (a cell) or depth (mean of the games' deepest levels).

    Columns ``part, method`` (also ``pi_star`` and ``expert``), ``turn`` (the cell's midpoint), ``width``,
    ``depth, games``, then ``SUMMARY``. Seeds have equal weight. pi* is shown if the table dungeon has
    games of it.

    Raises:
        MissingData: no game's path through the dungeon is known.
    """
    players = {name: (ways, ends) for name, ways, ends in _players(tables) if not (ways.empty or ends.empty)}
    if not players:
        raise MissingData(f"{entry.title}: no final game's way through the dungeon, and none of the expert")
    longest = max(float(ends["turns"].max()) for _, ends in players.values())
    edges = np.linspace(0.0, min(max(longest, 1.0), PAPER_TURNS), TURNS + 1)
    cells = [_cells(ways, ends, edges).assign(method=name) for name, (ways, ends) in players.items()]
    parts = [pd.concat(cells).assign(part="share", width=edges[1] - edges[0])]
    if EXPERT in players:
        depth = float(tables["expert_games"]["depth"].mean())
        parts.append(pd.DataFrame([{"part": "depth", "method": EXPERT, "value": depth, "low": np.nan}]))
    depths = final_summary(tables["episodes"], ["depth"], settings)
    if not depths.empty:
        parts.append(depths[depths["method"].isin(list(players))].assign(part="depth"))
    columns = ["part", "method", "turn", "width", "depth", "games", *SUMMARY]
    return pd.concat(parts, ignore_index=True).reindex(columns=columns)


def draw(entry: DungeonDensity, data: pd.DataFrame, settings: FigureSettings) -> Figure:
    """One panel per player: our symbolic one, pi*, then the methods; titles give the mean final depth."""
    cells = data[data["part"] == "share"]
    depths = data[(data["part"] == "depth") & data["statistic"].isin([settings.statistic, np.nan])]
    present = set(cells["method"])
    first = [name for name in (EXPERT, style.PI_STAR) if name in present]
    players = [*first, *style.in_order(present - set(first))]
    columns = min(COLUMNS, len(players))
    lines = ceil(len(players) / columns)
    norm = LogNorm(vmin=float(min(cells["value"].min(), 0.1)), vmax=1.0)
    colours = style.ordered_map().reversed()  # rare cells are light, like the background
    with style.theme():
        figure = style.new_figure(2.1 * lines + 0.9)
        grid = figure.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
        for index, axes in enumerate(grid.flat):
            if index >= len(players):
                axes.axis("off")
                continue
            name = players[index]
            _draw_cells(axes, cells[cells["method"] == name], norm, colours)
            axes.set_title(f"{_label(name)}\n{_mean_depth(depths[depths['method'] == name])}")
            if index + columns >= len(players):
                axes.set_xlabel("turns")
                axes.tick_params(labelbottom=True)
            if index % columns == 0:
                axes.set_ylabel("deepest dungeon level")
        _axes_limits(grid[0, 0], cells)
        bar = figure.colorbar(
            mpl.cm.ScalarMappable(norm, colours), ax=grid, pad=0.01, aspect=30, format=_percent
        )
        bar.set_label("share of all games")
        figure.suptitle(entry.title, x=0.01, ha="left")
        return style.finish(figure, settings)


def _percent(share: float, position: int) -> str:
    """A tick of a logarithmic axis, whose low end rounds to 0 with one number of decimals for all."""
    return f"{100 * share:g}%"


def _players(tables: Mapping[str, pd.DataFrame]) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Name, changes of the deepest level (seed, episode, turn, depth), games (seed, episode, turns)."""
    empty = pd.DataFrame(columns=["method", "seed", "step", "episode", "turn", "depth"])
    if "dungeon" not in tables:
        raise MissingData("no table dungeon: evaluate writes where games reached deeper levels")
    yield EXPERT, tables.get("expert_dungeon", empty), tables.get("expert_games", empty)
    episodes, dungeon = tables["episodes"], tables["dungeon"]
    final = episodes[(episodes["probe"] == FINAL) & (episodes["measure"] == "turns")]
    ends = final.rename(columns={"value": "turns"})
    yield style.PI_STAR, _of_pi_star(dungeon), _of_pi_star(ends)
    for method in sorted(set(dungeon["method"]) - {style.PI_STAR}):
        ways, games = (last_step(rows[rows["method"] == method]) for rows in (dungeon, ends))
        yield str(method), ways, games


def _of_pi_star(rows: pd.DataFrame) -> pd.DataFrame:
    """pi*'s own games; if there are none, step 0 of one run that starts from it."""
    own = rows[rows["method"] == style.PI_STAR]
    if not own.empty:
        return own
    found = rows[rows["method"].isin(methods_starting_from_it(rows)) & (rows["step"] == 0)]
    one_run = (found["method"] == found["method"].min()) & (found["seed"] == found["seed"].min())
    games: pd.DataFrame = found[one_run]
    return games


def _cells(ways: pd.DataFrame, ends: pd.DataFrame, edges: NDArray[np.float64]) -> pd.DataFrame:
    """Fraction of games in each cell, with seeds weighted equally; empty cells are omitted."""
    middles = (edges[:-1] + edges[1:]) / 2
    changes = {key: rows.sort_values("turn") for key, rows in ways.groupby(["seed", "episode"])}
    games_of_seed = ends.groupby("seed")["episode"].count()
    deepest = int(ways["depth"].max())
    shares = np.zeros((len(middles), deepest + 1))
    for seed, episode, turns in ends[["seed", "episode", "turns"]].itertuples(index=False):
        alive = middles <= turns
        depth = np.ones(len(middles), dtype=np.int64)  # games start on level 1
        if (rows := changes.get((seed, episode))) is not None:
            index = np.searchsorted(rows["turn"].to_numpy(), middles, side="right")
            levels = np.concatenate([[1], rows["depth"].to_numpy(dtype=np.int64)])
            depth = np.maximum(levels[index], 1)
        shares[np.flatnonzero(alive), depth[alive]] += 1.0 / games_of_seed[seed] / len(games_of_seed)
    turn, depth = np.nonzero(shares)
    return pd.DataFrame(
        {"turn": middles[turn], "depth": depth, "value": shares[turn, depth], "games": len(ends)}
    )


def _draw_cells(axes: Axes, cells: pd.DataFrame, norm: LogNorm, colours: mpl.colors.Colormap) -> None:
    if cells.empty:
        return
    width = float(cells["width"].iloc[0])
    intervals = (cells["turn"] / width - 0.5).round().astype(int).to_numpy()
    levels = cells["depth"].astype(int).to_numpy()
    shares = np.full((levels.max() + 1, intervals.max() + 1), np.nan)
    shares[levels, intervals] = cells["value"]
    turns, depths = np.arange(shares.shape[1] + 1) * width, np.arange(shares.shape[0] + 1) - 0.5
    axes.pcolormesh(turns, depths, shares, norm=norm, cmap=colours)


def _axes_limits(axes: Axes, cells: pd.DataFrame) -> None:
    axes.set_xlim(0.0, float((cells["turn"] + cells["width"] / 2).max()))
    axes.set_ylim(0.5, max(float(cells["depth"].max()), 2.0) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=3))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))


def _label(name: str) -> str:
    return OUR_PLAYER if name == EXPERT else style.look_of(name).label


def _mean_depth(rows: pd.DataFrame) -> str:
    if rows.empty:
        return " \n "
    value, low, high = rows[["value", "low", "high"]].iloc[0]
    return f"mean end {value:.2f}\n" + (" " if np.isnan(low) else f"[{low:.2f}, {high:.2f}]")
