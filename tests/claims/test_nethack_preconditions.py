"""What NetHack's claims ask of the tables before they say anything."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fpc.claims.claim import Outcome
from fpc.claims.judging import judge
from fpc.claims.measures import reference
from fpc.claims.nethack import CLAIMS as NETHACK
from fpc.claims.seeds import seeds_table
from fpc.core.statistics import interquartile_mean

from . import nethack_tables as made
from .test_nethack import CONTEXT, SHAPES, far, scores, verdicts


def test_fewer_than_five_seeds_give_no_verdict() -> None:
    found = verdicts(seeds=4)
    of_seeds = {name: result for name, result in found.items() if not name.startswith("pi_star_s")}
    assert {r.outcome for name, r in of_seeds.items() if name != "pi_star_median_score"} == {
        Outcome.NOT_TESTABLE
    }
    assert "4 seed(s); 5 are asked for" in found["vanilla_falls_below_pi_star"].reason
    alone = verdicts(replace(CONTEXT, minimum_seeds=1), seeds=1)["vanilla_falls_below_pi_star"]
    assert alone.outcome == Outcome.NOT_TESTABLE
    assert alone.reason.startswith("one seed gives no interval")


def test_without_something_to_lose_nothing_is_said() -> None:
    poor = {name: (0.0, end) for name, (_, end) in made.SCORES.items()}
    result = verdicts(scores=poor)["vanilla_falls_below_pi_star"]
    assert "too little to forget" in result.reason
    # An untrained policy gains more than half of what pi* gains on Far: that is not pi*'s skill.
    result = verdicts(**far(scratch=(250, 40)))["vanilla_forgets_far"]
    assert result.outcome == Outcome.NOT_TESTABLE
    assert "pi* is at 400 (level_ return), an untrained policy at 250" in result.reason
    # Four pits in a hundred games are luck.
    rare = {name: (0.04 * first, last) for name, (first, last) in made.SOKOBAN.items()}
    result = verdicts(sokoban=rare)["ewc_below_pi_star_in_sokoban"]
    assert "pi* is at 0.04 (sokoban pits_filled)" in result.reason


def test_a_scratch_that_learned_nothing_is_no_measure() -> None:
    found = verdicts(**scores(scratch=(0, 0), vanilla=(5000, 0)))
    for name in ("vanilla_no_better_than_scratch", "scratch_far_below_pi_star"):
        assert found[name].outcome == Outcome.NOT_TESTABLE
        assert "it learned nothing" in found[name].reason
    idle = verdicts(**scores(scratch_kickstarting=(0, 10)))["retention_from_scratch_below_pi_star"]
    assert "scratch_kickstarting gained 10 in training" in idle.reason
    near = verdicts(**scores(scratch=(0, 4800)))["vanilla_no_better_than_scratch"]
    assert near.outcome == Outcome.NOT_TESTABLE
    assert "scratch ends at 4800" in near.reason


def test_sokoban_that_is_visited_at_once_says_nothing_about_forgetting_before() -> None:
    found = verdicts(visited=1)
    sokoban = found["vanilla_forgets_sokoban_before_it_gets_there"]
    assert sokoban.outcome == Outcome.NOT_TESTABLE
    assert "have a milestone before their first visit" in sokoban.reason
    # Some games of pi* get to level 4 at once, so what is said of it does not depend on the first visit.
    early = {name for name in SHAPES if name.endswith("_early")}
    assert len(early) == 4
    assert {found[name].outcome for name in early} == {Outcome.REPRODUCED}


def test_early_is_the_first_tenth_of_the_steps_after_the_warm_up() -> None:
    """The first update is at 25M of 500M steps, so early ends at 25M + 47.5M."""
    early = "vanilla_forgets_far_early"
    assert "at 72,000,000 steps" in verdicts(only=early, steps=(0, 72_000_000, 500_000_000))[early].reason
    for middle in (25_000_000, 73_000_000):  # still pi*'s weights; too late
        result = verdicts(only=early, steps=(0, middle, 500_000_000))[early]
        assert result.outcome == Outcome.NOT_TESTABLE
        assert "from its first update, at 25,000,000 steps, to 72,500,000" in result.reason


def test_equal_methods_have_no_order() -> None:
    tables = made.nethack()
    episodes = tables["episodes"]
    tables["episodes"] = episodes.assign(value=episodes["value"].where(episodes["measure"] != "gold", 0.0))
    (claim,) = (claim for claim in NETHACK if claim.id == "nethack_order_of_gold")
    (result,) = judge([claim], {"nethack": tables}, CONTEXT)
    assert result.outcome == Outcome.NOT_TESTABLE
    assert "there is no order" in result.reason


def test_missing_data_are_named() -> None:
    tables = made.nethack()
    episodes = tables["episodes"]

    def reason(name: str, **changed: object) -> str:
        (claim,) = (claim for claim in NETHACK if claim.id == f"nethack_{name}")
        (result,) = judge([claim], {"nethack": {**tables, **changed}}, CONTEXT)  # type: ignore[dict-item]
        assert result.outcome == Outcome.NOT_TESTABLE
        return result.reason

    assert "level_<k>" in reason("vanilla_forgets_far", episodes=episodes[episodes["probe"] != "level_4"])
    no_ewc = episodes[episodes["method"] != "ewc"]
    assert "no score of ewc" in reason("ewc_above_vanilla", episodes=no_ewc)
    no_pi_star = episodes[episodes["method"] != "pi_star"]
    assert "no depth of pi_star" in reason("pi_star_stays_on_level_1", episodes=no_pi_star)
    few = episodes[(episodes["method"] != "pi_star") | (episodes["episode"] < 49)]
    assert "49 games; 50 are asked for" in reason("pi_star_score", episodes=few)
    games = tables["training"]
    no_games = games[games["metric"] != "return"]
    assert "no games of vanilla" in reason("vanilla_return_falls", training=no_games)
    assert "expert_recordings is missing" in reason(
        "expert_much_deeper_than_kickstarting", expert_recordings=games.iloc[:0]
    )


def test_runs_shorter_than_the_papers_are_not_compared_with_its_numbers() -> None:
    found = verdicts(steps=(0, 26_000_000, 100_000_000))
    assert "the claim speaks of 400,000,000" in found["kickstarting_score"].reason
    assert "runs end at" in found["ewc_return_at_steps"].reason


def test_blocks_of_games_keep_the_mean() -> None:
    games = np.tile(np.array(made.PI_STAR_SCORES, dtype=float), 20)
    assert interquartile_mean(games) == pytest.approx(4300.0, abs=200.0)  # far from the mean
    assert interquartile_mean(reference(games)) == pytest.approx(5221.0)
    assert len(reference(games)) == 20
    assert reference(games[:99]).tolist() == games[:99].tolist()


def test_every_seed_is_listed_by_its_score() -> None:
    table = seeds_table(made.nethack(seeds=3)["episodes"])
    vanilla = table[(table["probe"] == "final") & (table["method"] == "vanilla")]
    assert vanilla["value"].tolist() == pytest.approx([640.53, 647.0, 653.47])
