"""Figure 27: Success on RoboticSequence for networks of other widths and depths."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves
from fpc.figures.variants import Variants

TITLE = "Success on RoboticSequence for networks of other widths and depths"
EXPERIMENTS = ("robotic_sequence_width_*_depth_*",)
METHODS = ("scratch", "vanilla", "ewc", "behavioral_cloning")
TABLES = ("episodes",)

_curves = SuccessCurves(
    TITLE,
    METHODS,
    probes="whole",
    panels="variant",
    columns=3,
    variants=Variants(r"_width_(\d+)_depth_(\d+)$", "width {}, depth {}"),
)
data, draw = _curves.data, _curves.draw
