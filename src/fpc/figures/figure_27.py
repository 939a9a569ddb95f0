"""Figure 27: Success on RoboticSequence for networks of other widths and depths."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves
from fpc.figures.variants import Variants

TITLE = "Success on RoboticSequence for networks of other widths and depths"
EXPERIMENTS = (
    "robotic_sequence_width_256_depth_2",
    "robotic_sequence_width_256_depth_3",
    "robotic_sequence_width_256_depth_4",
    "robotic_sequence_width_512_depth_2",
    "robotic_sequence_width_512_depth_3",
    "robotic_sequence_width_512_depth_4",
    "robotic_sequence_width_1024_depth_2",
    "robotic_sequence_width_1024_depth_3",
    "robotic_sequence_width_1024_depth_4",
)
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
