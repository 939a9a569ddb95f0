"""Claims about the two-state MDP. Values are exact and nothing is sampled, so intervals are points."""

from __future__ import annotations

from functools import partial

import numpy as np

from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, TablesByExperiment
from fpc.claims.measures import table

EXPERIMENT = "two_state_mdp"
TOLERANCE = 0.011  # the paper prints two decimals; its value, like ours, is the last point of gradient ascent


def _end(tables: TablesByExperiment, context: ClaimContext, condition: str, measure: str) -> Measurement:
    """A measure at the last step of fine-tuning."""
    rows = table(tables[EXPERIMENT], "episodes")
    chosen = (rows["method"] == "vanilla") & (rows["condition"] == condition) & (rows["measure"] == measure)
    rows = rows[chosen]
    if rows.empty:
        raise NotTestable(f"no {measure} of vanilla in the {condition} gap")
    last = rows[rows["step"] == rows["step"].max()]
    return Measurement(last["value"].to_numpy(dtype=np.float64), note="exact", exact=True)


def _fitted(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Never testable: the cloning gap's rewards are unpublished, and ours were solved for from the claim."""
    raise NotTestable(
        "the paper does not print r0 and r1; ours were solved for from theta = .08 and v = 9.93, so that "
        "they agree is no evidence, and theta = 1 is not unstable for any of them (see the deviations)"
    )


def _claim(gap: str, measure: str, quantity: str, statement: str, paper: float) -> Claim:
    return Claim(
        id=f"two_state_mdp_{gap}_{measure}",
        domain=EXPERIMENT,
        experiments=(EXPERIMENT,),
        statement=statement,
        paper_source="Figure 9",
        paper_value=f"{paper:.2f}",
        quantity=quantity,
        above=round(paper - TOLERANCE, 3),
        below=round(paper + TOLERANCE, 3),
        measure=_fitted if gap == "cloning" else partial(_end, condition=gap, measure=measure),
    )


THETA, VALUE = "reach_probability", "value"
CLAIMS = (
    _claim(
        "coverage",
        THETA,
        "theta at the end",
        "Under a state coverage gap, gradient ascent stops at a local optimum.",
        0.11,
    ),
    _claim(
        "coverage", VALUE, "value of s0 at the end", "That optimum is far below the best value, 10.", 2.22
    ),
    _claim(
        "cloning",
        THETA,
        "theta at the end",
        "Under an imperfect cloning gap, fine-tuning drifts away from pi*.",
        0.08,
    ),
    _claim(
        "cloning",
        VALUE,
        "value of s0 at the end",
        "The policy it drifts to is nearly as good as the best.",
        9.93,
    ),
)
