"""What every figure file defines, and what it may know when it is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

TABLE_NAMES = (
    "episodes",
    "training",
    "states",
    "representation",
    "dungeon",
    "expert_games",
    "expert_dungeon",
    "visits",
    "attempts",
)
EXPERT = "expert"  # stands for a method in the tables that collect wrote
PAPER_LEVEL = 0.90  # the paper's figures show means with 90 % intervals


class MissingData(ValueError):
    """The tables hold nothing that the figure shows."""


@dataclass(frozen=True)
class FigureSettings:
    """How to summarise and sign a figure.

    ``interval`` picks the drawn statistic: the paper's mean with its 90 % interval, or the
    interquartile mean with an interval of ``level``. The plotted data hold both.
    """

    scale: str
    level: float = 0.95
    resamples: int = 2000
    seed: int = 0
    interval: Literal["paper", "iqm"] = "paper"
    stamp: str = ""  # scale, seeds, steps and, where budgets differ, why

    @property
    def statistic(self) -> str:
        """Name of the drawn statistic in the column ``statistic`` of the plotted data."""
        return "mean" if self.interval == "paper" else "iqm"

    @property
    def statistic_label(self) -> str:
        """The drawn statistic in words, for a caption."""
        if self.interval == "paper":
            return f"mean, {PAPER_LEVEL:.0%} interval"
        return f"interquartile mean, {self.level:.0%} interval"


class FigureModule(Protocol):
    """A file ``figures/figure_<id>.py``, ``figures/table_<id>.py`` or ``figures/film_<id>.py``."""

    TITLE: str
    EXPERIMENTS: tuple[str, ...]  # names, or patterns such as robotic_sequence_shift_*
    METHODS: tuple[str, ...] | None  # None: all of the experiment's
    TABLES: tuple[str, ...]  # of TABLE_NAMES

    def data(self, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
        """The plotted data, tidy; ``tables`` hold all experiments of the figure one below the other.

        Raises:
            MissingData: there is nothing to show.
        """
        ...

    def draw(self, data: pd.DataFrame, settings: FigureSettings) -> Figure:
        """Draw what ``data`` returned."""
        ...


@runtime_checkable
class Animated(Protocol):
    """A figure that also moves."""

    def animate(self, data: pd.DataFrame, settings: FigureSettings) -> bytes:
        """A GIF of what ``data`` returned."""
        ...
