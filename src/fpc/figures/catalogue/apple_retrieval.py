"""Figures of AppleRetrieval."""

from __future__ import annotations

from fpc.figures.entry import AppleCurves, SuccessCurves

FIGURES = (
    AppleCurves(
        name="figure_10",
        title="AppleRetrieval: distance M of the apple",
        caption="The longer the way to the apple, the more is forgotten.",
        experiments=("apple_retrieval",),
        methods=("vanilla",),
        steps="episodes",
        vary="distance",
        panels=("forgetting", "success", "reached"),
    ),
    AppleCurves(
        name="figure_11",
        title="AppleRetrieval: size c of the observation",
        caption="The less π* heeds its observation, the more is forgotten.",
        experiments=("apple_retrieval",),
        methods=("vanilla",),
        steps="episodes",
        vary="signal",
        panels=("weight_ratio", "forgetting", "success"),
    ),
    SuccessCurves(
        name="figure_apple_retrieval",
        title="AppleRetrieval: success of every method",
        caption="Not in the paper: all methods on the way to the apple (Close), on the way back (Far) and "
        "on both; mean over all M and c.",
        experiments=("apple_retrieval",),
        columns=3,
        steps="episodes",
    ),
)
