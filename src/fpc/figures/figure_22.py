"""Figure 22: Known stages shown with observations shifted by c first (vanilla)."""

from __future__ import annotations

from fpc.figures.success_curves import SuccessCurves
from fpc.figures.variants import Variants

TITLE = "Known stages shown with observations shifted by c first (vanilla)"
EXPERIMENTS = ("robotic_sequence_shift_*",)
METHODS = ("vanilla",)
TABLES = ("episodes",)

_curves = SuccessCurves(TITLE, METHODS, colours="variant", variants=Variants(r"_shift_([\d.]+)$", "c = {}"))
data, draw = _curves.data, _curves.draw
