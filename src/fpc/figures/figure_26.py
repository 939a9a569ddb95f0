"""Figure 26: Behavioural cloning with a smaller memory of π*'s states."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves
from fpc.figures.variants import Variants

TITLE = "Behavioural cloning with a smaller memory of π*'s states"
EXPERIMENTS = (
    "robotic_sequence_memory_100",
    "robotic_sequence_memory_300",
    "robotic_sequence_memory_1000",
    "robotic_sequence_memory_3000",
    "robotic_sequence_memory_10000",
)
METHODS = ("behavioral_cloning",)
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS, colours="variant", variants=Variants(r"_memory_(\d+)$", "{} states"))
data, draw = _curves.data, _curves.draw
