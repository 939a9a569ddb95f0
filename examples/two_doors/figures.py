"""Figures of the two-doors domain."""

from __future__ import annotations

from fpc.figures.entry import SuccessCurves

FIGURES = (
    SuccessCurves(
        name="figure_0",
        title="Success at each of two doors",
        caption="What fine-tuning learns at the left door, and forgets at the right one.",
        experiments=("two_doors",),
    ),
)
