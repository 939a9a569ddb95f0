"""Figure 7: Success on each stage of RoboticSequence."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves

TITLE = "Success on each stage of RoboticSequence"
EXPERIMENTS = ("robotic_sequence",)
METHODS = None
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS, probes="stages", pi_star=True)
data, draw = _curves.data, _curves.draw
