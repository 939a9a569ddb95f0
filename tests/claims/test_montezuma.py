"""Outcomes for Montezuma's Revenge on hand-made tables."""

from __future__ import annotations

from typing import Any

import pytest

from fpc.claims.claim import ClaimContext, Outcome, Result
from fpc.claims.judging import judge
from fpc.claims.montezuma import CLAIMS as MONTEZUMA
from fpc.claims.seeds import seeds_table
from fpc.claims.testing import all_claims

from . import montezuma_tables as made

CONTEXT = ClaimContext("tiny", resamples=300)


def verdicts(**changes: Any) -> dict[str, Result]:
    """Results by claim name, on tables with these changes."""
    tables = {"montezuma": {"episodes": made.montezuma(**changes)}}
    return {claim.id.removeprefix("montezuma_"): judge([claim], tables, CONTEXT)[0] for claim in MONTEZUMA}


def test_what_the_paper_says_is_reproduced() -> None:
    found = verdicts()
    assert {name: r.reason for name, r in found.items() if r.outcome != Outcome.REPRODUCED} == {}
    assert set(MONTEZUMA) <= set(all_claims())


def test_numbers_by_hand() -> None:
    found = verdicts()
    # Seeds are spread evenly around the value, so the interquartile mean is the value.
    assert found["pi_star_knows_far"].measured == pytest.approx(0.95 - 0.3)
    assert found["vanilla_forgets_far"].measured == pytest.approx(0.3 - 0.95)  # at 20M, not at the end
    assert found["vanilla_recovers_in_part"].measured == pytest.approx(0.6 - 0.3)
    assert found["behavioral_cloning_above_kickstarting_on_far"].measured == pytest.approx(0.94 - 0.5)
    assert found["behavioral_cloning_above_ewc"].measured == pytest.approx(7000 - 2500)
    assert found["ewc_faster_than_vanilla"].measured == pytest.approx(1500 - 880)  # areas under the curves
    assert "seeds 0.28, 0.29, 0.3, 0.31, 0.32 from pi*'s 0.95" in found["vanilla_forgets_far"].reason


def changed(table: dict[str, Any], **methods: Any) -> dict[str, Any]:
    return {**table, **methods}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("pi_star_knows_far", {"random_success": 0.96}),
        ("vanilla_forgets_far", {"success": changed(made.SUCCESS, vanilla=(0.95, 0.9, 0.3))}),
        ("vanilla_recovers_in_part", {"success": changed(made.SUCCESS, vanilla=(0.95, 0.3, 0.2))}),
        (
            "behavioral_cloning_keeps_far",
            {"success": changed(made.SUCCESS, behavioral_cloning=(0.95, 0.8, 0.95))},
        ),
        ("ewc_keeps_far", {"success": changed(made.SUCCESS, ewc=(0.95, 0.8, 0.95))}),
        (
            "behavioral_cloning_above_vanilla_on_far",
            {"success": changed(made.SUCCESS, vanilla=(0.95, 0.3, 0.96))},
        ),
        ("ewc_above_vanilla_on_far", {"success": changed(made.SUCCESS, ewc=(0.95, 0.9, 0.58))}),
        (
            "behavioral_cloning_above_kickstarting_on_far",
            {"success": changed(made.SUCCESS, kickstarting=(0.95, 0.5, 0.95))},
        ),
        ("behavioral_cloning_above_vanilla", {"returns": changed(made.RETURNS, vanilla=(0.0, 1.0, 7100.0))}),
        ("behavioral_cloning_above_scratch", {"returns": changed(made.RETURNS, scratch=(0.0, 1.0, 7100.0))}),
        ("behavioral_cloning_above_ewc", {"returns": changed(made.RETURNS, ewc=(0.0, 1.0, 7100.0))}),
        ("ewc_above_scratch", {"returns": changed(made.RETURNS, scratch=(0.0, 1.0, 2600.0))}),
        ("ewc_faster_than_vanilla", {"returns": changed(made.RETURNS, vanilla=(0.0, 1600.0, 2600.0))}),
    ],
)
def test_the_contrary_is_not_reproduced(name: str, changes: dict[str, Any]) -> None:
    result = verdicts(**changes)[name]
    assert result.outcome in {Outcome.NOT_REPRODUCED, Outcome.UNDECIDED}, result.reason
    assert result.measured is not None


def test_every_claim_has_its_contrary() -> None:
    (mark,) = [m for m in test_the_contrary_is_not_reproduced.pytestmark if m.name == "parametrize"]  # type: ignore[attr-defined]
    assert {name for name, _ in mark.args[1]} == set(verdicts())


def test_a_short_budget_decides_success_but_not_returns() -> None:
    found = verdicts(steps=(0, 30_000, 60_000))
    far = {name for name in found if name.endswith("far")}
    assert {name for name, result in found.items() if result.outcome == Outcome.NOT_TESTABLE} == set(
        found
    ) - far
    assert "60,000 steps; the claim speaks of 20,000,000" in found["behavioral_cloning_above_vanilla"].reason
    assert found["vanilla_forgets_far"].measured == pytest.approx(0.6 - 0.95)  # all of it is early


def test_a_pi_star_that_does_not_know_the_room_cannot_forget_it() -> None:
    ignorant = {method: (0.5, middle, last) for method, (_, middle, last) in made.SUCCESS.items()}
    result = verdicts(success=ignorant)["vanilla_forgets_far"]
    assert result.outcome == Outcome.NOT_TESTABLE
    assert "pi* starts at 0.50" in result.reason


def test_missing_data_are_named() -> None:
    episodes = made.montezuma()
    others = episodes[episodes["probe"] != "room_7"]
    tables = {"montezuma": {"episodes": others}}
    found = {claim.id: judge([claim], tables, CONTEXT)[0] for claim in MONTEZUMA}
    assert "Far is one probe room_<k>; found none" in found["montezuma_vanilla_forgets_far"].reason
    tables = {"montezuma": {"episodes": episodes[episodes["probe"] != "random"]}}
    found = {claim.id: judge([claim], tables, CONTEXT)[0] for claim in MONTEZUMA}
    assert "random policy was not measured" in found["montezuma_pi_star_knows_far"].reason


def test_every_seed_is_listed_in_the_room_and_from_the_start() -> None:
    table = seeds_table(made.montezuma(seeds=3))
    shown = {probe: rows["measure"].unique().tolist() for probe, rows in table.groupby("probe")}
    assert shown == {"random": ["success"], "room_7": ["success"], "start": ["return"]}
    vanilla = table[(table["probe"] == "start") & (table["method"] == "vanilla")]
    assert vanilla["value"].tolist() == pytest.approx([2574.0, 2600.0, 2626.0])
