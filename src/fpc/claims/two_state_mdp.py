"""Claims about the two-state MDP. Values are exact and nothing is sampled, so intervals are points.

The task is the same at every scale, so the paper's numbers are compared at every scale. A number agrees if it
rounds to the printed one: the paper prints two decimals of the last point of gradient ascent.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from fpc.claims.claim import (
    Claim,
    ClaimContext,
    Measure,
    Measurement,
    NotTestable,
    TablesByExperiment,
    claim_of,
)
from fpc.claims.measures import table
from fpc.core.statistics import Array

DOMAIN = EXPERIMENT = "two_state_mdp"
ROUNDING = 0.005  # half of the last printed decimal
COVERAGE = "coverage"
THETA, VALUE, STAY = "reach_probability", "value", "stay_probability"
Take = Callable[[pd.DataFrame], Array]
_claim = partial(claim_of, DOMAIN)


def first(rows: pd.DataFrame) -> Array:
    """Values of pi*, before the first update."""
    return _at(rows, rows["step"].min())


def last(rows: pd.DataFrame) -> Array:
    """Values at the last step of fine-tuning."""
    return _at(rows, rows["step"].max())


def change(rows: pd.DataFrame) -> Array:
    """Values at the last step minus pi*'s."""
    return last(rows) - first(rows)


def _at(rows: pd.DataFrame, step: int) -> Array:
    return rows.loc[rows["step"] == step, "value"].to_numpy(dtype=np.float64)


def exact(tables: TablesByExperiment, context: ClaimContext, measure: str, take: Take) -> Measurement:
    """A measure of vanilla's course under the state coverage gap.

    Raises:
        NotTestable: it was not measured.
    """
    rows = table(tables[EXPERIMENT], "episodes")
    rows = rows[
        (rows["method"] == "vanilla") & (rows["condition"] == COVERAGE) & (rows["measure"] == measure)
    ]
    if rows.empty:
        raise NotTestable(f"no {measure} of vanilla in the {COVERAGE} gap")
    return Measurement(take(rows), note="exact", exact=True)


def fitted(tables: TablesByExperiment, context: ClaimContext) -> Measurement:
    """Never testable: the cloning gap's rewards are unpublished, and ours were solved for from the claim."""
    raise NotTestable(
        "the paper does not print r0 and r1; ours were solved for from theta = .08 and v = 9.93, so that "
        "they agree is no evidence, and theta = 1 is not unstable for any of them (see the deviations)"
    )


def _number(name: str, printed: float, statement: str, quantity: str, measure: Measure) -> Claim:
    """A claim that a number rounds to the one that the paper prints."""
    source = ("Figure 9", f"{printed:.2f}")
    above, below = round(printed - ROUNDING, 3), round(printed + ROUNDING, 3)
    return _claim(name, statement, source, quantity, measure, above=above, below=below)


CLAIMS = (
    _number(
        "coverage_pi_star_stays_close",
        0.0,
        "Under a state coverage gap, pi* never moves to s1, where it is optimal.",
        "theta of pi*",
        partial(exact, measure=THETA, take=first),
    ),
    _claim(
        "coverage_forgets",
        "As fine-tuning learns to reach s1, it loses what pi* does there.",
        ("Section 1, Figure 9", "f falls as theta rises"),
        "probability of staying in s1 at the end minus pi*'s",
        partial(exact, measure=STAY, take=change),
        below=0.0,
    ),
    _number(
        "coverage_reach_probability",
        0.11,
        "Under a state coverage gap, gradient ascent stops at a local optimum.",
        "theta at the end",
        partial(exact, measure=THETA, take=last),
    ),
    _number(
        "coverage_value",
        2.22,
        "That optimum is far below the best value, 10.",
        "value of s0 at the end",
        partial(exact, measure=VALUE, take=last),
    ),
    _number(
        "cloning_reach_probability",
        0.08,
        "Under an imperfect cloning gap, fine-tuning drifts away from pi*.",
        "theta at the end",
        fitted,
    ),
    _number(
        "cloning_value",
        9.93,
        "The policy it drifts to is nearly as good as the best.",
        "value of s0 at the end",
        fitted,
    ),
)
