"""Figure 23: Known stages in the middle of RoboticSequence."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves

TITLE = "Known stages in the middle of RoboticSequence"
EXPERIMENTS = ("robotic_sequence_known_middle",)
METHODS = None
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS, pi_star=True)
data, draw = _curves.data, _curves.draw
