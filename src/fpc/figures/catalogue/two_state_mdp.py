"""Figures of the two-state MDP."""

from __future__ import annotations

from fpc.figures.entry import Entry

FIGURES = (
    Entry(
        name="figure_9",
        title="Two-state MDPs: value of the policy along fine-tuning",
        caption="Value over theta for both gaps, with the path of fine-tuning.",
        experiments=("two_state_mdp",),
        steps="gradient steps",
        methods=("vanilla",),
        tables=("episodes", "states"),
    ),
)
