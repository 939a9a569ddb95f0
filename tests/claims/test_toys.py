"""Outcomes for the two-state MDP and AppleRetrieval on hand-made tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from fpc.claims import apple_retrieval, two_state_mdp
from fpc.claims.claim import ClaimContext, Outcome, Result
from fpc.claims.judging import judge

from . import toy_tables as made

CONTEXT = ClaimContext("tiny", resamples=300)
NEVER = {  # an option was chosen from the claim itself
    "two_state_mdp_cloning_reach_probability",
    "two_state_mdp_cloning_value",
    "apple_smaller_signal_larger_ratio",
}


def verdicts(
    changed: dict[str, pd.DataFrame] | None = None, domain: str = "apple_retrieval"
) -> dict[str, Result]:
    """Results by claim id, with some tables of a domain exchanged."""
    tables = made.toys()
    tables[domain] = {**tables[domain], **(changed or {})}
    claims = [*two_state_mdp.CLAIMS, *apple_retrieval.CLAIMS]
    return {result.claim.id: result for result in judge(claims, tables, CONTEXT)}


def test_what_the_paper_says_is_reproduced_where_it_can_be_tested() -> None:
    found = verdicts()
    assert {name: r.reason for name, r in found.items() if r.outcome == Outcome.NOT_TESTABLE}.keys() == NEVER
    others = {name: r for name, r in found.items() if name not in NEVER}
    assert {name: r.reason for name, r in others.items() if r.outcome != Outcome.REPRODUCED} == {}
    assert all("no evidence" in found[name].reason for name in NEVER)


def test_numbers_by_hand() -> None:
    found = verdicts()
    # Drops at c = .5 are M / 60 - .05 for M = 10, 20, 30: their mean is 1/3 - .05.
    assert found["apple_vanilla_forgets"].measured == pytest.approx(1 / 3 - 0.05)
    assert found["apple_larger_distance_less_success"].measured == pytest.approx(-1.0)
    assert found["two_state_mdp_coverage_forgets"].measured == pytest.approx(-0.222)
    assert found["two_state_mdp_coverage_forgets"].p_value is None  # exact


def test_the_local_optimum_is_the_paper_s() -> None:
    """With f = 1 - 2 theta, r0 = 0, r1 = -1 and gamma = .9, v0 = theta (1 - 1.8 theta) / (.01 + .27 theta).

    Its maximum is the root of 4.86 theta^2 + .36 theta - .1: theta = 1/9, v = 20/9.
    """
    theta = float(np.roots([4.86, 0.36, -0.1]).max())
    value = theta * (1 - 1.8 * theta) / (0.01 + 0.27 * theta)
    assert (theta, value) == (pytest.approx(1 / 9), pytest.approx(20 / 9))
    found = verdicts({"episodes": made.two_states(end=theta, value=value)}, "two_state_mdp")
    assert found["two_state_mdp_coverage_reach_probability"].outcome == Outcome.REPRODUCED
    assert found["two_state_mdp_coverage_value"].outcome == Outcome.REPRODUCED


CONTRARY_MDP: list[tuple[str, dict[str, Any]]] = [
    ("coverage_pi_star_stays_close", {"start": 0.25}),
    ("coverage_forgets", {"start": 0.2}),
    ("coverage_reach_probability", {"end": 0.12}),  # would be printed as .12
    ("coverage_value", {"value": 2.23}),
]
CONTRARY_APPLES: list[tuple[str, dict[str, pd.DataFrame]]] = [
    ("vanilla_forgets", {"episodes": made.apples(drop=lambda distance, signal: 0.05)}),
    (
        "larger_distance_more_forgetting",
        {"episodes": made.apples(drop=lambda distance, signal: 0.6 - distance / 60)},
    ),
    (
        "larger_distance_less_success",
        {"episodes": made.apples(solved=lambda distance, signal: distance / 40)},
    ),
    (
        "larger_distance_later_reach",
        {"training": made.apple_training(lambda distance, signal: distance / 60)},
    ),
    (
        "smaller_signal_more_forgetting",
        {"episodes": made.apples(drop=lambda distance, signal: 0.3 + 0.1 * signal)},
    ),
]


@pytest.mark.parametrize(("name", "changes"), CONTRARY_MDP)
def test_the_contrary_of_the_mdp_is_not_reproduced(name: str, changes: dict[str, Any]) -> None:
    found = verdicts({"episodes": made.two_states(**changes)}, "two_state_mdp")
    assert found[f"two_state_mdp_{name}"].outcome == Outcome.NOT_REPRODUCED


@pytest.mark.parametrize(("name", "changed"), CONTRARY_APPLES)
def test_the_contrary_of_apples_is_not_reproduced(name: str, changed: dict[str, pd.DataFrame]) -> None:
    assert verdicts(changed)[f"apple_{name}"].outcome == Outcome.NOT_REPRODUCED


def test_every_claim_that_can_be_tested_has_its_contrary() -> None:
    named = {f"two_state_mdp_{name}" for name, _ in CONTRARY_MDP}
    named |= {f"apple_{name}" for name, _ in CONTRARY_APPLES}
    assert named == verdicts().keys() - NEVER


def test_nothing_is_compared_where_nothing_is_learned() -> None:
    nobody = verdicts({"episodes": made.apples(solved=lambda distance, signal: 0.0)})
    assert "all are about 0" in nobody["apple_larger_distance_less_success"].reason
    assert nobody["apple_larger_distance_less_success"].outcome == Outcome.NOT_TESTABLE
    far_away = verdicts({"training": made.apple_training(lambda distance, signal: 0.0)})
    assert "all are about 0" in far_away["apple_larger_distance_later_reach"].reason
    ignorant = verdicts({"episodes": made.apples(knowledge=0.5)})
    assert "pi* starts at 0.50" in ignorant["apple_vanilla_forgets"].reason


def test_missing_data_are_named() -> None:
    assert "5 are asked for" in verdicts({"episodes": made.apples(seeds=4)})["apple_vanilla_forgets"].reason
    few = verdicts({"training": made.apple_training(seeds=4)})["apple_larger_distance_later_reach"]
    assert "4 seed(s); 5 are asked for" in few.reason
    episodes = made.two_states()
    found = verdicts({"episodes": episodes[episodes["condition"] != "coverage"]}, "two_state_mdp")
    assert "no value of vanilla in the coverage gap" in found["two_state_mdp_coverage_value"].reason
    apart = made.apples().assign(condition="other")
    assert "no condition is named" in verdicts({"episodes": apart})["apple_vanilla_forgets"].reason


def test_correlation_with_distance_is_spearman_s() -> None:
    uneven = {10: 0.3, 20: 0.1, 30: 0.6}  # one pair out of order: rho = 1 - 6 * 2 / 24 = .5
    changed = {"episodes": made.apples(drop=lambda distance, signal: uneven[int(distance)])}
    expected = spearmanr([*uneven], [*uneven.values()]).statistic
    assert expected == pytest.approx(0.5)
    assert verdicts(changed)["apple_larger_distance_more_forgetting"].measured == pytest.approx(expected)
