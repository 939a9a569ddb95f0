"""Figures of AppleRetrieval."""

from __future__ import annotations

from fpc.figures.entry import AppleCurves

FIGURES = (
    AppleCurves(
        name="figure_10",
        title="AppleRetrieval: distance M of the apple",
        caption="The longer the way to the apple, the more is forgotten.",
        experiments=("apple_retrieval",),
        methods=("vanilla",),
        vary="distance",
        panels=("forgetting", "success", "reached"),
    ),
    AppleCurves(
        name="figure_11",
        title="AppleRetrieval: size c of the observation",
        caption="The less π* heeds its observation, the more is forgotten.",
        experiments=("apple_retrieval",),
        methods=("vanilla",),
        vary="signal",
        panels=("weight_ratio", "forgetting", "success"),
    ),
)
