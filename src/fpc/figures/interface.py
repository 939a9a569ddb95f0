"""What the code of a figure defines, and what it may know when it draws."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

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


@runtime_checkable
class Drawing(Protocol):
    """A module of ``fpc.figures.families`` or ``fpc.figures.bespoke``: functions of a catalogue entry.

    ``entry`` is of the type that belongs to the module.
    """

    def data(self, entry: Any, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
        """The plotted data, tidy; ``tables`` hold all experiments of the figure one below the other.

        Raises:
            MissingData: there is nothing to show.
        """
        ...

    def draw(
        self, entry: Any, data: pd.DataFrame, settings: FigureSettings, **derived: pd.DataFrame
    ) -> Figure:
        """Draw what ``data`` returned; each table of ``entry.derived`` is an argument of its name."""
        ...


@runtime_checkable
class Animated(Protocol):
    """A drawing that also moves."""

    def animate(self, entry: Any, data: pd.DataFrame, **derived: pd.DataFrame) -> bytes:
        """A GIF of what ``data`` returned."""
        ...
