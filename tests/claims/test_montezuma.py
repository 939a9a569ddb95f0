"""Outcomes for Montezuma's Revenge on hand-made tables."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from fpc.claims.claim import ClaimContext, Outcome, Result
from fpc.claims.judging import judge
from fpc.claims.montezuma import CLAIMS as MONTEZUMA
from fpc.claims.seeds import seeds_table
from fpc.claims.testing import all_claims

from . import montezuma_tables as made

CONTEXT = ClaimContext("paper", resamples=300)
BC = "behavioral_cloning"
Tables = dict[str, dict[str, pd.DataFrame]]


def judged(tables: Tables, context: ClaimContext = CONTEXT) -> dict[str, Result]:
    """Results by claim name; all claims share Holm's correction."""
    return {
        result.claim.id.removeprefix("montezuma_"): result for result in judge(MONTEZUMA, tables, context)
    }


def verdicts(variant: str = "", **changes: Any) -> dict[str, Result]:
    """Results on tables with these changes, in the plain experiment or in one of its variants."""
    tables = made.montezuma()
    chosen = tables[f"montezuma{variant}"]
    of_training = {key: changes.pop(key) for key in ("rooms", "visit", "early", "late") if key in changes}
    if of_training:
        chosen["training"] = made.training(**of_training)
    if changes:
        chosen["episodes"] = made.episodes(**changes)
    return judged(tables)


def test_what_the_paper_says_is_reproduced() -> None:
    found = verdicts()
    assert {name: r.reason for name, r in found.items() if r.outcome != Outcome.REPRODUCED} == {}
    assert set(MONTEZUMA) <= set(all_claims())


def test_numbers_by_hand() -> None:
    """Seeds are spread evenly around the value, so the interquartile mean is the value."""
    found = verdicts()
    expected = {
        "pi_star_knows_far": 0.8 - 0.3,
        "far_hardly_visited_early": 0.01,
        "far_visited_later": 2 / 5,
        "vanilla_forgets_unvisited_far": 0.4 - 0.8,  # at 10M; the first visit is at 15M
        "vanilla_forgets_far": 0.3 - 0.8,  # at 20M
        "vanilla_recovers": (0.3 + 0.25 * 2 / 3 + 6 * 0.55) / 7 - 0.3,  # 40M, then 50M to 100M
        "vanilla_recovers_in_part": (0.3 + 0.25 * 2 / 3 + 6 * 0.55) / 7 - 0.8,
        "behavioral_cloning_keeps_far": 0.75 - 0.8,
        # Trapezoids of 10M each: vanilla .6, .35, 3 x .425 and 5 x .55; BC .78, .755, 8 x .75.
        "behavioral_cloning_above_vanilla_on_far": (0.78 + 0.755 + 6.0 - 0.6 - 0.35 - 1.275 - 2.75) / 10,
        # The last fifth has the milestones at 80M, 90M and 100M.
        "behavioral_cloning_above_vanilla": 6000 - (2800 + 3400 + 4000) / 3,
        "ewc_saturates": 0.0,
        # Up to 50M: EWC 400, 1150, 3 x 2000; vanilla 50, 150, 3 x 600.
        "ewc_faster_than_vanilla": (400 + 1150 + 6000 - 50 - 150 - 1800) / 5,
        "behavioral_cloning_return": 6000.0,
        "bc_farther_than_vanilla": 8.0 - 3.0,
    }
    for name, value in expected.items():
        assert found[name].measured == pytest.approx(value, abs=2e-3 * max(1.0, abs(value))), name
    assert found["pi_star_knows_far"].unit == "start state"
    assert "seeds 0.296, 0.298, 0.3, 0.302, 0.304 from pi*'s 0.8" in found["vanilla_forgets_far"].reason


def with_success(**methods: made.Curve) -> dict[str, Any]:
    return {"success": {**made.SUCCESS, **methods}}


def with_returns(**methods: made.Curve) -> dict[str, Any]:
    return {"returns": {**made.RETURNS, **methods}}


HIGH = (0.0, 5000.0, 6000.0, 7000.0, 8000.0)
LOST = {BC: (0.8, 0.5, 0.5, 0.5, 0.5)}
DIPS = (0.8, 0.76, 0.6, 0.75, 0.75)
STILL = {"vanilla": (0.8, 0.78, 0.78, 0.78, 0.78)}
CONTRARY: list[tuple[str, dict[str, Any]]] = [
    ("pi_star_knows_far", {"random_success": 0.7}),
    ("pi_star_fails_close", {"from_start": 500.0}),
    ("far_hardly_visited_early", {"early": 0.2}),
    ("far_visited_later", {"late": 0}),
    ("vanilla_forgets_unvisited_far", with_success(vanilla=(0.8, 0.75, 0.3, 0.55, 0.55))),
    ("behavioral_cloning_keeps_unvisited_far", with_success(**LOST)),
    ("ewc_keeps_unvisited_far", with_success(ewc=(0.8, 0.6, 0.75, 0.75, 0.75))),
    ("behavioral_cloning_above_vanilla_on_unvisited_far", with_success(**STILL)),
    ("vanilla_forgets_far", with_success(**STILL)),
    ("vanilla_recovers", with_success(vanilla=(0.8, 0.4, 0.3, 0.3, 0.2))),
    ("vanilla_recovers_in_part", with_success(vanilla=(0.8, 0.4, 0.3, 0.8, 0.8))),
    ("behavioral_cloning_keeps_far", with_success(behavioral_cloning=DIPS)),
    ("ewc_keeps_far", with_success(ewc=DIPS)),
    ("behavioral_cloning_above_vanilla_on_far", with_success(**STILL)),
    ("ewc_above_vanilla_on_far", with_success(**STILL)),
    ("behavioral_cloning_success_level", with_success(**LOST)),
    ("ewc_success_level", with_success(ewc=LOST[BC])),
    ("vanilla_success_level", with_success(**STILL)),
    ("behavioral_cloning_above_vanilla", with_returns(vanilla=HIGH)),
    ("behavioral_cloning_above_ewc", with_returns(ewc=HIGH)),
    ("behavioral_cloning_above_scratch", with_returns(scratch=HIGH)),
    ("ewc_above_scratch", with_returns(scratch=HIGH)),
    ("vanilla_above_scratch", with_returns(scratch=HIGH)),
    ("behavioral_cloning_above_kickstarting", with_returns(kickstarting=HIGH)),
    ("behavioral_cloning_faster_than_vanilla", with_returns(vanilla=HIGH)),
    ("behavioral_cloning_faster_than_ewc", with_returns(ewc=HIGH)),
    ("ewc_faster_than_vanilla", with_returns(vanilla=HIGH)),
    ("ewc_saturates", with_returns(ewc=(0.0, 800.0, 1500.0, 2500.0, 5000.0))),
    ("ewc_saturates_below_vanilla", with_returns(ewc=HIGH)),
    ("behavioral_cloning_return", with_returns(behavioral_cloning=(0.0, 9e3, 9e3, 9e3, 9e3))),
    ("bc_farther_than_vanilla", {"rooms": {**made.ROOMS, "vanilla": 9.0}}),
    ("bc_farther_than_scratch", {"rooms": {**made.ROOMS, "scratch": 9.0}}),
    *(
        (f"{name.removeprefix('montezuma_')}_bc_above_vanilla", {"variant": name.removeprefix("montezuma")})
        for name in made.VARIANTS[:-1]
    ),
    ("memory_100_keeps_far", {"variant": "_memory_100", **with_success(behavioral_cloning=LOST[BC])}),
]


@pytest.mark.parametrize(("name", "changes"), CONTRARY)
def test_the_contrary_is_not_reproduced(name: str, changes: dict[str, Any]) -> None:
    if name.endswith("bc_above_vanilla"):
        changes = {**changes, **with_returns(behavioral_cloning=made.RETURNS["scratch"])}
    result = verdicts(**changes)[name]
    assert result.outcome == Outcome.NOT_REPRODUCED, result.reason


def test_every_claim_has_its_contrary() -> None:
    assert [name for name, _ in CONTRARY] == [*verdicts()]


def test_a_short_budget_decides_what_does_not_speak_of_long_runs() -> None:
    tables = made.montezuma()
    short = (0, 10_000, 20_000, 30_000, 40_000)
    flat = {method: (curve[0], *[curve[0]] * 4) for method, curve in made.SUCCESS.items()}
    tables["montezuma"] = {
        "episodes": made.episodes(success={**flat, "vanilla": (0.8, 0.8, 0.8, 0.8, 0.8)}, steps=short),
        "training": made.training(visit=15_000, last=40_000),
    }
    found = judged(tables, ClaimContext("laptop", resamples=300))
    untestable = {name: r.reason for name, r in found.items() if r.outcome == Outcome.NOT_TESTABLE}
    levels = {name for name, result in found.items() if result.claim.kind == "level"}
    long = {"vanilla_recovers", "vanilla_recovers_in_part", "ewc_saturates", "ewc_saturates_below_vanilla"}
    assert levels | long <= untestable.keys()
    assert "40,000 steps; the claim speaks of 40,000,000" in untestable["vanilla_recovers"]
    assert "at scale paper only" in untestable["behavioral_cloning_success_level"]
    assert found["behavioral_cloning_success_level"].measured == pytest.approx(0.8)
    # Nobody has earned a key after 40,000 of these steps, so returns and their order say nothing.
    assert "neither earns 100 points" in untestable["behavioral_cloning_above_vanilla"]
    assert found["vanilla_forgets_far"].outcome == Outcome.NOT_REPRODUCED
    assert found["vanilla_forgets_unvisited_far"].outcome == Outcome.NOT_REPRODUCED


def test_a_pi_star_hardly_better_than_a_random_policy_has_nothing_to_forget() -> None:
    found = verdicts(random_success=0.65)
    assert found["vanilla_forgets_far"].outcome == Outcome.NOT_TESTABLE
    assert "pi* is 0.15 above a random policy in the room (pi* 0.80, random 0.65; 5 episodes)" in (
        found["vanilla_forgets_far"].reason
    )
    assert found["pi_star_knows_far"].outcome == Outcome.NOT_REPRODUCED


def test_far_that_is_visited_at_once_is_not_judged_before_the_visit() -> None:
    result = verdicts(visit=5 * made.MILLION)["vanilla_forgets_unvisited_far"]
    assert result.outcome == Outcome.NOT_TESTABLE
    assert "0 of 5 seeds of vanilla have a milestone before their first visit to room_7" in result.reason
    unknown = verdicts(visit=None)["vanilla_forgets_unvisited_far"]
    assert unknown.outcome == Outcome.NOT_TESTABLE
    assert "no training table says when room_7 was first visited" in unknown.reason


def test_rooms_say_nothing_while_all_games_stay_in_the_first() -> None:
    result = verdicts(rooms=dict.fromkeys(made.ROOMS, 1.0))["bc_farther_than_vanilla"]
    assert (result.outcome, result.reason) == (Outcome.NOT_TESTABLE, "no game leaves the first room")


def test_visits_say_nothing_where_no_game_has_ended() -> None:
    tables = made.montezuma()
    training = tables["montezuma"]["training"]
    tables["montezuma"]["training"] = training[training["metric"] != "length"]
    result = judged(tables)["far_hardly_visited_early"]
    assert result.outcome == Outcome.NOT_TESTABLE
    assert result.reason == "0 seed(s) of vanilla finished games then; 5 are asked for"


def test_missing_data_are_named() -> None:
    tables = made.montezuma()
    episodes = tables["montezuma"]["episodes"]

    def reason(name: str, rows: pd.DataFrame) -> str:
        return judged({"montezuma": {**tables["montezuma"], "episodes": rows}})[name].reason

    assert "Far is one probe room_<k>; found none" in reason(
        "vanilla_forgets_far", episodes[episodes["probe"] != "room_7"]
    )
    assert "no success of pi_star (random)" in reason(
        "pi_star_knows_far", episodes[episodes["probe"] != "random"]
    )
    others = (episodes["probe"] == "random") & (episodes["start"] == 0)
    assert "not measured from pi*'s start states" in reason("pi_star_knows_far", episodes[~others])
    assert "scale paper has no tables of montezuma_room_14" in reason("room_14_bc_above_vanilla", episodes)
    few = judged({"montezuma": {"episodes": made.episodes(seeds=4), "training": made.training(seeds=4)}})
    assert "4 seed(s) finished games; 5 are asked for" in few["bc_farther_than_scratch"].reason
    assert few["behavioral_cloning_above_scratch"].outcome == Outcome.NOT_TESTABLE


def test_every_seed_is_listed_in_the_room_and_from_the_start() -> None:
    table = seeds_table(made.episodes(seeds=3))
    shown = {probe: rows["measure"].unique().tolist() for probe, rows in table.groupby("probe")}
    assert shown == {"random": ["success"], "room_7": ["success"], "start": ["return"]}
    vanilla = table[(table["probe"] == "start") & (table["method"] == "vanilla")]
    assert vanilla["value"].tolist() == pytest.approx([3992.0, 4000.0, 4008.0])
