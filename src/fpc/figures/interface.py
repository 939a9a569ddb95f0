"""The interface of a figure's code, and the settings it receives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable

from fpc.core.errors import UserError

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

PAPER_LEVEL = 0.90  # the paper's figures show means with 90 % intervals


class MissingData(UserError):
    """Raised if the tables hold nothing that the figure shows."""


@dataclass(frozen=True)
class FigureSettings:
    """Settings for a figure's statistics and stamp.

    ``interval`` selects the drawn statistic: the paper's mean with its 90 % interval, or the
    interquartile mean with an interval of ``level``. The plotted data hold both.
    """

    scale: str
    level: float = 0.95
    resamples: int = 2000
    seed: int = 0
    interval: Literal["paper", "iqm"] = "paper"
    stamp: str = ""  # scale, seeds, steps and, if budgets differ, the reason

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

    ``entry`` has the type that belongs to the module.
    """

    def data(self, entry: Any, tables: Mapping[str, pd.DataFrame], settings: FigureSettings) -> pd.DataFrame:
        """The plotted data, tidy; each of ``tables`` is concatenated over the figure's experiments.

        Raises:
            MissingData: there is nothing to show.
        """
        ...

    def draw(
        self, entry: Any, data: pd.DataFrame, settings: FigureSettings, **derived: pd.DataFrame
    ) -> Figure:
        """Draw the result of ``data``; each table in ``entry.derived`` is the argument of that name."""
        ...


@runtime_checkable
class Animated(Protocol):
    """A drawing with an animation."""

    def animate(self, entry: Any, data: pd.DataFrame, **derived: pd.DataFrame) -> bytes | None:
        """A GIF of the result of ``data``; None if it cannot be made here."""
        ...
