"""Figure 26: Behavioural cloning with a smaller memory of π*'s states."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves
from fpc.figures.variants import Variants

TITLE = "Behavioural cloning with a smaller memory of π*'s states"
EXPERIMENTS = ("robotic_sequence_memory_*",)
METHODS = ("behavioral_cloning",)
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS, colours="variant", variants=Variants(r"_memory_(\d+)$", "{} states"))
data, draw = _curves.data, _curves.draw
