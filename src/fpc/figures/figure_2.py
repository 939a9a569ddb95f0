"""Figure 2: Success on each stage of a two-stage RoboticSequence."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves

TITLE = "Success on each stage of a two-stage RoboticSequence"
EXPERIMENTS = ("robotic_sequence_two_stages",)
METHODS = ("vanilla", "behavioral_cloning")
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS, probes="stages", panels="one")
data, draw = _curves.data, _curves.draw
