"""Figure 21: RoboticSequence with the last layers reset before fine-tuning."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves

TITLE = "RoboticSequence with the last layers reset before fine-tuning"
EXPERIMENTS = ("robotic_sequence_reset_heads",)
METHODS = ("scratch", "vanilla", "ewc", "behavioral_cloning")
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS)
data, draw = _curves.data, _curves.draw
