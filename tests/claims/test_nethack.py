"""Outcomes about NetHack on hand-made tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fpc.claims.claim import ClaimContext, Outcome, Result
from fpc.claims.judging import judge
from fpc.claims.nethack import CLAIMS as NETHACK
from fpc.claims.seeds import seeds_table
from fpc.claims.testing import all_claims

from . import nethack_tables as made

CONTEXT = ClaimContext("tiny", resamples=300)


def verdicts(**changes: Any) -> dict[str, Result]:
    """Results by the claim's name, on tables changed so."""
    tables = {"nethack": {"episodes": made.nethack(**changes)}}
    return {claim.id.removeprefix("nethack_"): judge([claim], tables, CONTEXT)[0] for claim in NETHACK}


def test_what_the_paper_says_is_reproduced() -> None:
    found = verdicts()
    assert {name: r.reason for name, r in found.items() if r.outcome != Outcome.REPRODUCED} == {}
    assert set(NETHACK) <= set(all_claims())


def test_numbers_by_hand() -> None:
    found = verdicts()
    # Seeds lie 1 % apart, evenly around the height: the interquartile mean is the height.
    assert found["vanilla_falls_below_pi_star"].measured == pytest.approx((647 - 5000) / 5000)
    assert found["vanilla_forgets_far"].measured == pytest.approx((64.7 - 400) / 400)
    assert found["kickstarting_above_behavioral_cloning"].measured == pytest.approx(10588 - 7610)
    assert found["vanilla_no_better_than_scratch"].measured == pytest.approx((647 - 776) / 5000)
    assert found["kickstarting_goes_deeper_than_vanilla"].measured == pytest.approx((10588 - 647) / 5000)
    assert found["ewc_rises_then_decays"].measured == pytest.approx((6800 - 3976) / 5000)
    assert found["vanilla_drifts_more_than_kickstarting"].measured == pytest.approx(0.7)
    assert "-0.873, -0.872, -0.871, -0.869, -0.868" in found["vanilla_falls_below_pi_star"].reason


SAME = (5000.0, 5000.0)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("vanilla_falls_below_pi_star", {"scores": {**made.SCORES, "vanilla": (5000.0, 4700.0)}}),
        ("vanilla_forgets_far", {"far": {**made.FAR, "vanilla": (400.0, 390.0)}}),
        ("vanilla_drifts", {"drift": {**made.DRIFT, "vanilla": 0.05}}),
        ("vanilla_drifts_more_than_kickstarting", {"drift": {**made.DRIFT, "kickstarting": 1.0}}),
        ("vanilla_drifts_more_than_behavioral_cloning", {"drift": {**made.DRIFT, "behavioral_cloning": 2.0}}),
        ("kickstarting_keeps_pi_star", {"scores": {**made.SCORES, "kickstarting": (5000.0, 4400.0)}}),
        (
            "behavioral_cloning_keeps_pi_star",
            {"scores": {**made.SCORES, "behavioral_cloning": (5000.0, 4.0)}},
        ),
        ("kickstarting_above_vanilla", {"scores": {**made.SCORES, "vanilla": (5000.0, 10600.0)}}),
        ("behavioral_cloning_above_vanilla", {"scores": {**made.SCORES, "vanilla": (5000.0, 7700.0)}}),
        ("kickstarting_above_vanilla_on_far", {"far": {**made.FAR, "kickstarting": (400.0, 64.0)}}),
        ("behavioral_cloning_above_vanilla_on_far", {"far": {**made.FAR, "vanilla": (400.0, 900.0)}}),
        ("vanilla_no_better_than_scratch", {"scores": {**made.SCORES, "vanilla": (5000.0, 1500.0)}}),
        ("kickstarting_above_behavioral_cloning", {"scores": {**made.SCORES, "kickstarting": SAME}}),
        ("behavioral_cloning_above_ewc", {"scores": {**made.SCORES, "ewc": (5000.0, 7700.0)}}),
        ("ewc_above_vanilla", {"scores": {**made.SCORES, "ewc": (5000.0, 640.0)}}),
        ("kickstarting_goes_deeper_than_vanilla", {"scores": {**made.SCORES, "kickstarting": (5000.0, 9.0)}}),
        ("kickstarting_improves_on_pi_star", {"scores": {**made.SCORES, "kickstarting": SAME}}),
        ("ewc_rises_then_decays", {"early": 4000.0}),
        ("kickstarting_score", {"scores": {**made.SCORES, "kickstarting": (5000.0, 13000.0)}}),
        ("behavioral_cloning_score", {"scores": {**made.SCORES, "behavioral_cloning": (5000.0, 6000.0)}}),
        ("ewc_score", {"scores": {**made.SCORES, "ewc": (5000.0, 3000.0)}}),
    ],
)
def test_the_contrary_is_not_reproduced(name: str, changes: dict[str, Any]) -> None:
    result = verdicts(**changes)[name]
    assert result.outcome in {Outcome.NOT_REPRODUCED, Outcome.UNDECIDED}, result.reason
    assert result.measured is not None


def test_every_claim_has_its_contrary() -> None:
    (mark,) = [m for m in test_the_contrary_is_not_reproduced.pytestmark if m.name == "parametrize"]  # type: ignore[attr-defined]
    assert {name for name, _ in mark.args[1]} == set(verdicts())


def test_a_short_budget_does_not_speak_of_long_runs() -> None:
    found = verdicts(steps=(0, 1_000_000, 2_000_000))
    long = {name for name, result in found.items() if result.outcome == Outcome.NOT_TESTABLE}
    scores = {f"{name}_score" for name in ("kickstarting", "behavioral_cloning", "ewc")}
    assert long == {"kickstarting_improves_on_pi_star", "ewc_rises_then_decays", *scores}
    assert "25,000,000" in found["kickstarting_improves_on_pi_star"].reason


def test_fewer_than_five_seeds_give_no_verdict() -> None:
    result = verdicts(seeds=4)["vanilla_falls_below_pi_star"]
    assert result.outcome == Outcome.NOT_TESTABLE
    assert "4 seed(s); 5 are asked for" in result.reason
    tables = {"nethack": {"episodes": made.nethack(seeds=1)}}
    alone = {claim.id: judge([claim], tables, replace(CONTEXT, minimum_seeds=1))[0] for claim in NETHACK}
    result = alone["nethack_vanilla_falls_below_pi_star"]
    assert result.outcome == Outcome.NOT_TESTABLE
    assert result.reason.startswith("one seed gives no interval")


def test_without_something_to_lose_nothing_is_said() -> None:
    poor = {name: (0.0, end) for name, (_, end) in made.SCORES.items()}
    result = verdicts(scores=poor)["vanilla_falls_below_pi_star"]
    assert "nothing to forget" in result.reason
    near = verdicts(scores={**made.SCORES, "scratch": (0.0, 4800.0)})["vanilla_no_better_than_scratch"]
    assert near.outcome == Outcome.NOT_TESTABLE
    assert "scratch ends at 4800" in near.reason


def test_missing_data_are_named() -> None:
    episodes = made.nethack()
    tables = {"nethack": {"episodes": episodes[episodes["probe"] != "level_4"]}}
    found = {claim.id: judge([claim], tables, CONTEXT)[0] for claim in NETHACK}
    assert "level_<k>" in found["nethack_vanilla_forgets_far"].reason
    tables = {"nethack": {"episodes": episodes[episodes["method"] != "ewc"]}}
    found = {claim.id: judge([claim], tables, CONTEXT)[0] for claim in NETHACK}
    assert "no score of ewc" in found["nethack_ewc_above_vanilla"].reason


def test_every_seed_is_listed_by_its_score() -> None:
    table = seeds_table(made.nethack(seeds=3))
    vanilla = table[(table["probe"] == "final") & (table["method"] == "vanilla")]
    assert vanilla["value"].tolist() == pytest.approx([640.53, 647.0, 653.47])
