"""The catalogue's entries: pure data, read while the DAG is built and before anything is drawn.

An entry's type selects the family that draws it, and its fields are that family's parameters. A figure
without a family is a plain ``Entry``, drawn by ``fpc.figures.bespoke.<name>``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from fpc.figures.variants import Variants


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One figure, film or table of the paper."""

    family: ClassVar[str | None] = None  # module of fpc.figures.families; None: the figure's own module

    name: str  # figure_<id>, film_<id> or table_<id>, as in ``figure.names`` of the configuration
    title: str  # shown above the figure
    caption: str  # one sentence, for the report
    experiments: tuple[str, ...]  # names, or patterns such as robotic_sequence_shift_*
    tables: tuple[str, ...] = ("episodes",)  # of ``fpc.core.tables``
    methods: tuple[str, ...] | None = None  # None: all methods of the experiment
    pi_star: bool = False  # shows pi* by itself, so it reads pi*'s own measurement
    recorded: tuple[str, ...] = ()  # tables that the domain records from weights when the figure is drawn
    derived: tuple[str, ...] = ()  # tables for drawing, derived from the plotted data by the domain
    steps: str = "environment steps"  # what the tables' column ``step`` counts

    @property
    def module(self) -> str:
        """The module that draws it."""
        if self.family is None:
            return f"fpc.figures.bespoke.{self.name}"
        return f"fpc.figures.families.{self.family}"


@dataclass(frozen=True, kw_only=True)
class SuccessCurves(Entry):
    """Success over steps.

    There is one panel per probe or variant of the experiment, or a single one; within a panel, colours
    distinguish methods or variants, and Far probes are dashed.
    """

    family: ClassVar[str | None] = "success_curves"

    probes: Literal["stages", "whole", "all"] = "all"
    panels: Literal["probe", "variant", "one"] = "probe"
    colours: Literal["method", "variant"] = "method"
    variants: Variants | None = None
    first_visits: bool = False  # mark when training first came to each Far probe; needs the table training
    columns: int | None = None  # None: two, or three with five or more panels


@dataclass(frozen=True, kw_only=True)
class TrainingMetrics(Entry):
    """Metrics of NetHack games during training, one panel each, with pi*'s level."""

    family: ClassVar[str | None] = "training_metrics"

    tables: tuple[str, ...] = ("episodes", "training")
    pi_star: bool = True
    metrics: tuple[tuple[str, str, str], ...]  # metric, panel title, y-axis label


@dataclass(frozen=True, kw_only=True)
class DungeonDensity(Entry):
    """Dungeon depth of NetHack games over turns, one panel per player."""

    family: ClassVar[str | None] = "dungeon_density"

    tables: tuple[str, ...] = ("episodes", "dungeon", "expert_games", "expert_dungeon")
    pi_star: bool = True


@dataclass(frozen=True, kw_only=True)
class MontezumaCurves(Entry):
    """Training return, or success from the start states of the Far room, on Montezuma's Revenge.

    ``lines`` says what each line is: a method, a variant of the experiment, or both. With both, the first
    experiment shows every method but ``varied``, and each variant shows ``varied`` alone.
    """

    family: ClassVar[str | None] = "montezuma_curves"

    pi_star: bool = True
    quantity: Literal["return", "success"] = "return"
    panels: Literal["one", "variant"] = "one"
    lines: Literal["method", "variant", "both"] = "method"
    variants: Variants | None = None
    varied: str = "behavioral_cloning"

    @property
    def known_variants(self) -> Variants:
        """``variants``, for a figure that has them.

        Raises:
            ValueError: it has none.
        """
        if self.variants is None:
            raise ValueError(
                f"{self.name}: lines or panels are variants, but the entry has no `variants`; add them"
            )
        return self.variants


@dataclass(frozen=True, kw_only=True)
class AppleCurves(Entry):
    """AppleRetrieval's measures in conditions that differ in one option."""

    family: ClassVar[str | None] = "apple_curves"

    tables: tuple[str, ...] = ("episodes", "training")
    vary: Literal["distance", "signal"]  # M or c
    panels: tuple[Literal["forgetting", "success", "reached", "weight_ratio"], ...]
