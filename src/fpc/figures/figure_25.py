"""Figure 25: Another RoboticSequence: shelf-place, push-back, window-close, door-close."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves

TITLE = "Another RoboticSequence: shelf-place, push-back, window-close, door-close"
EXPERIMENTS = ("robotic_sequence_other",)
METHODS = None
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS, pi_star=True)
data, draw = _curves.data, _curves.draw
