"""Figures of the two doors."""

from __future__ import annotations

from fpc.figures.entry import SuccessCurves

FIGURES = (
    SuccessCurves(
        name="figure_0",
        title="Success at each of two doors",
        caption="What fine-tuning finds at the left door, and forgets at the right one.",
        experiments=("two_doors",),
    ),
)
