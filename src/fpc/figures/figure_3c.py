"""Figure 3c: Success on the whole RoboticSequence."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves

TITLE = "Success on the whole RoboticSequence"
EXPERIMENTS = ("robotic_sequence",)
METHODS = None
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS, probes="whole", panels="one")
data, draw = _curves.data, _curves.draw
