"""Figures of Montezuma's Revenge."""

from __future__ import annotations

from fpc.figures.entry import Entry, MontezumaCurves
from fpc.figures.variants import Variants

FIGURES = (
    MontezumaCurves(
        name="figure_3b",
        title="Return on Montezuma's Revenge",
        caption="Return of the games finished in training.",
        experiments=("montezuma",),
        tables=("episodes", "training"),
    ),
    MontezumaCurves(
        name="figure_6",
        title="Success in the first Far room of Montezuma's Revenge",
        caption="Share of attempts from start states in the room that succeed (at environment.goal).",
        experiments=("montezuma",),
        quantity="success",
    ),
    Entry(
        name="figure_12",
        title="Rooms of Montezuma's Revenge, numbered in the order of visits",
        caption="The rooms, and where the expert was in them.",
        experiments=("montezuma",),
        tables=("visits",),
        derived=("rooms",),
    ),
    MontezumaCurves(
        name="figure_13",
        title="Return on Montezuma's Revenge with two coefficients of BC",
        caption="Return of the games finished in training.",
        experiments=("montezuma", "montezuma_coefficient_*"),
        methods=("scratch", "vanilla", "behavioral_cloning"),
        tables=("episodes", "training"),
        lines="both",
        variants=Variants(r"_coefficient_([\d.]+)$", "BC, coefficient {}"),
    ),
    MontezumaCurves(
        name="figure_17",
        title="Return on Montezuma's Revenge with π* trained from other rooms",
        caption="Return of the games finished in training, a panel a room.",
        experiments=("montezuma_room_*",),
        methods=("scratch", "vanilla", "behavioral_cloning"),
        tables=("episodes", "training"),
        panels="variant",
        variants=Variants(r"_room_(\d+)$", "from Room {} on"),
    ),
    Entry(
        name="figure_18",
        title="Steps in each room of Montezuma's Revenge during training",
        caption="Share of the steps that agents spend in each room.",
        experiments=("montezuma",),
        methods=("scratch", "vanilla", "behavioral_cloning"),
        tables=("training",),
    ),
    MontezumaCurves(
        name="figure_19",
        title="Behavioural cloning on Montezuma's Revenge with a smaller memory of π*'s states",
        caption="Return of the games finished in training, a line a size.",
        experiments=("montezuma_memory_*",),
        methods=("behavioral_cloning",),
        tables=("episodes", "training"),
        lines="variant",
        pi_star=False,
        variants=Variants(r"_memory_(\d+)$", "{} states"),
    ),
    Entry(
        name="film_6",
        title="Attempts in the first Far room of Montezuma's Revenge",
        caption="Behind figure 6: the first attempts of π*, vanilla and BC from the same start states.",
        experiments=("montezuma",),
        methods=("vanilla", "behavioral_cloning"),
        tables=("attempts",),
        derived=("frames",),
    ),
)
