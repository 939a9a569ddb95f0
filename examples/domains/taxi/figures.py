"""Figures of the taxi domain."""

from __future__ import annotations

from fpc.figures.entry import SuccessCurves

FIGURES = (
    SuccessCurves(
        name="figure_taxi",
        title="Taxi: success on Close, on Far and on the whole game",
        caption="Success of picking the passenger up, of dropping a passenger off, and of whole games.",
        experiments=("taxi",),
        tables=("episodes", "training"),
        first_visits=True,
        columns=3,
    ),
)
