"""Figures of NetHack."""

from __future__ import annotations

from fpc.figures.entry import DungeonDensity, Entry, TrainingMetrics

FIGURES = (
    TrainingMetrics(
        name="figure_3a",
        title="Return on NetHack",
        caption="Return of the games finished in training, by steps since the first update.",
        experiments=("nethack",),
        metrics=(("return", "", "return"),),
    ),
    DungeonDensity(
        name="figure_4",
        title="Deepest dungeon level over turns",
        caption="How deep games are after so many turns, of our player, π* and the paper's two methods.",
        experiments=("nethack",),
        methods=("vanilla", "kickstarting"),
    ),
    Entry(
        name="figure_5",
        title="From the expert's first entry of a Far level",
        caption="What agents do from where the expert entered a Far level.",
        experiments=("nethack",),
        pi_star=True,
    ),
    TrainingMetrics(
        name="figure_14",
        title="Metrics of NetHack games during training",
        caption="Eight metrics of the games finished in training, by steps since the first update.",
        experiments=("nethack",),
        metrics=(  # as the tables name them, and in words (paper, appendix on NetHack)
            ("score", "score", ""),
            ("experience_level", "experience level", ""),
            ("eating", "nutrition eaten", ""),
            ("turns", "turns", ""),
            ("staircase", "steps on stairs down", ""),
            ("scout", "glyphs newly seen", ""),
            ("depth", "deepest dungeon level", ""),
            ("gold", "gold moved", ""),
        ),
    ),
    Entry(
        name="figure_15",
        title="Distribution of returns on NetHack",
        caption="How the returns of final games are distributed.",
        experiments=("nethack",),
        pi_star=True,
    ),
    DungeonDensity(
        name="figure_16",
        title="Deepest dungeon level over turns, all methods",
        caption="How deep games are after so many turns, of our player, π* and all methods.",
        experiments=("nethack",),
    ),
    Entry(
        name="table_4",
        title="Final evaluation on NetHack",
        caption="Six metrics of final games beside the paper's, and the mean score of each seed.",
        experiments=("nethack",),
        pi_star=True,
    ),
    Entry(
        name="table_5",
        title="Scores of earlier work and of fine-tuning on NetHack",
        caption="Scores of earlier work on the Human Monk beside ours.",
        experiments=("nethack",),
        pi_star=True,
    ),
)
