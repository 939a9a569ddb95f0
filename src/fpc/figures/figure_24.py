"""Figure 24: Known stages first in RoboticSequence."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves

TITLE = "Known stages first in RoboticSequence"
EXPERIMENTS = ("robotic_sequence_known_first",)
METHODS = None
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS, pi_star=True)
data, draw = _curves.data, _curves.draw
