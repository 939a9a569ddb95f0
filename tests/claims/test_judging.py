"""The rule of verdicts on measurements made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fpc.claims import measures
from fpc.claims.claim import Claim, ClaimContext, Measurement, NotTestable, Outcome, Result
from fpc.claims.judging import judge, p_value_of
from fpc.claims.unvisited import before_first_visit, difference_before_visits
from fpc.core.tables import NO_START, PI_STAR

CONTEXT = ClaimContext("laptop", resamples=500)
TABLES = {"maze": {}}


def claim(measurement: Measurement, name: str = "a", **changes: object) -> Claim:
    """A claim "above 0.5" about a made-up domain."""
    fields = {"above": 0.5, "below": None} | changes
    return Claim(
        name, "maze", ("maze",), "It is so.", "Figure 0", "1", "it", measure=lambda *_: measurement, **fields
    )  # type: ignore[arg-type]


def outcome(values: list[float], **changes: object) -> Result:
    """The result of one claim."""
    (result,) = judge([claim(Measurement(np.array(values)), **changes)], TABLES, CONTEXT)
    return result


def test_the_four_outcomes() -> None:
    sure = outcome([0.8, 0.82, 0.85, 0.87, 0.9])
    assert sure.outcome == Outcome.REPRODUCED
    assert sure.p_value is not None
    assert sure.p_value < 1e-4
    assert outcome([0.1, 0.2, 0.2, 0.3, 0.3]).outcome == Outcome.NOT_REPRODUCED
    doubtful = outcome([0.1, 0.4, 0.7, 0.9, 1.0])
    assert doubtful.outcome == Outcome.UNDECIDED
    assert doubtful.needed_seeds is not None
    assert f"needs about {doubtful.needed_seeds} seeds" in doubtful.reason
    assert outcome([0.9]).outcome == Outcome.NOT_TESTABLE


def test_an_interval_inside_is_not_enough_without_the_test() -> None:
    # The interquartile mean of five ignores the worst seed, and so does most of its bootstrap.
    values = [0.51, 0.52, 0.53, 0.54, 0.9]
    alone = outcome(values)
    assert alone.low is not None
    assert alone.low > 0.5
    assert alone.p_value is not None
    assert alone.p_value > 0.05
    assert alone.outcome == Outcome.UNDECIDED


def test_other_claims_of_the_domain_raise_the_bar() -> None:
    values = np.array([0.50, 0.55, 0.6, 0.65, 0.7])
    (alone,) = judge([claim(Measurement(values))], TABLES, CONTEXT)
    others = [claim(Measurement(np.array([0.2, 0.5, 0.7, 0.6, 0.5])), f"b{number}") for number in range(19)]
    among = judge([claim(Measurement(values)), *others], TABLES, CONTEXT)[0]
    assert alone.p_value is not None
    assert among.p_value == pytest.approx(20 * alone.p_value)


def test_a_range_needs_both_sides() -> None:
    inside = outcome([0.68, 0.7, 0.71, 0.72, 0.74], above=0.5, below=0.9)
    assert inside.outcome == Outcome.REPRODUCED
    wide = outcome([0.45, 0.6, 0.7, 0.85, 0.99], above=0.5, below=0.9)
    assert wide.outcome == Outcome.UNDECIDED


def test_levels_are_the_paper_scales_alone() -> None:
    level = claim(Measurement(np.array([0.8, 0.82, 0.85, 0.87, 0.9])), kind="level")
    (small,) = judge([level], TABLES, CONTEXT)
    assert small.outcome == Outcome.NOT_TESTABLE
    assert small.measured is not None  # shown all the same
    assert "at scale paper only" in small.reason
    (large,) = judge([level], TABLES, ClaimContext("paper+text_nethack", resamples=500))
    assert large.outcome == Outcome.REPRODUCED


def test_exact_values_are_not_sampled() -> None:
    (result,) = judge([claim(Measurement(np.array([0.6]), exact=True))], TABLES, CONTEXT)
    assert (result.outcome, result.p_value, result.low) == (Outcome.REPRODUCED, None, 0.6)


def test_games_that_are_won_or_lost_are_averaged() -> None:
    games = Measurement(np.array([1.0] * 60 + [0.0] * 40), unit="game")
    (result,) = judge([claim(games)], TABLES, CONTEXT)
    assert result.measured == pytest.approx(0.6)  # their interquartile mean is .7


def test_seeds_that_all_succeed_may_hide_one_that_fails() -> None:
    alike = {"limits": (0.0, 1.0)}
    few = Measurement(np.ones(5), **alike)
    (bold,) = judge([claim(few, above=0.8)], TABLES, CONTEXT)
    # With a mean of .8, five seeds that succeed or fail as a whole all succeed one time in three.
    assert bold.outcome == Outcome.UNDECIDED
    assert bold.needed_seeds == 14  # .8^14 = .044
    assert bold.p_value == pytest.approx(0.8**5)
    assert judge([claim(few, above=0.5)], TABLES, CONTEXT)[0].outcome == Outcome.REPRODUCED  # .5^5 = .031
    many = Measurement(np.ones(14), **alike)
    assert judge([claim(many, above=0.8)], TABLES, CONTEXT)[0].outcome == Outcome.REPRODUCED
    spread = Measurement(np.array([0.95, 0.9, 1.0, 0.92, 0.97]), **alike)
    assert judge([claim(spread, above=0.8)], TABLES, CONTEXT)[0].outcome == Outcome.REPRODUCED
    apart = Measurement(np.ones(5), np.zeros(5), **alike)
    (difference,) = judge([claim(apart, above=0.0)], TABLES, CONTEXT)
    assert difference.outcome == Outcome.REPRODUCED  # at most .5^5 .5^5
    for one in judge([claim(few, name, above=0.5) for name in "ab"], TABLES, CONTEXT):
        assert (one.outcome, one.needed_seeds) == (Outcome.UNDECIDED, 6)  # 2 (.5^5) = .062


def test_seeds_that_succeed_or_fail_pay_for_the_other_claims_and_for_the_choice_of_the_milestone() -> None:
    """On the bound, a verdict for any of many claims, or at any of many milestones, is as rare as it says."""
    rng, repeats, families, milestones = np.random.default_rng(0), 200, 0, 0
    limits = {"limits": (0.0, 1.0)}
    for _ in range(repeats):
        draws = (rng.random((20, 14)) < 0.8).astype(float)
        family = [claim(Measurement(row, **limits), str(index), above=0.8) for index, row in enumerate(draws)]
        found = judge(family, TABLES, replace(CONTEXT, resamples=50))
        families += any(item.outcome == Outcome.REPRODUCED for item in found)
        course = Measurement((rng.random((9, 80)) < 0.3).astype(float), holds="any", **limits)
        (fell,) = judge([claim(course, above=None, below=0.3)], TABLES, replace(CONTEXT, resamples=50))
        milestones += fell.outcome == Outcome.REPRODUCED
    assert families / repeats < 0.06
    assert milestones / repeats < 0.06


def test_the_worst_of_many_milestones_does_not_refute_by_chance() -> None:
    rng, repeats, wrong = np.random.default_rng(1), 100, 0
    for _ in range(repeats):
        course = Measurement(0.75 + rng.normal(0, 0.1, (5, 80)))
        (found,) = judge([claim(course, above=0.7)], TABLES, replace(CONTEXT, resamples=50))
        wrong += found.outcome == Outcome.NOT_REPRODUCED
    assert wrong / repeats < 0.06


def test_all_milestones_or_any() -> None:
    rng = np.random.default_rng(0)
    values = np.column_stack([0.9 + rng.normal(0, 0.02, 8), 0.3 + rng.normal(0, 0.02, 8)])
    (never_below,) = judge([claim(Measurement(values))], TABLES, CONTEXT)
    assert never_below.outcome == Outcome.NOT_REPRODUCED
    assert never_below.measured == pytest.approx(0.3, abs=0.02)
    some = Measurement(values, holds="any")
    (falls,) = judge([claim(some, above=None, below=0.5)], TABLES, CONTEXT)
    assert falls.outcome == Outcome.REPRODUCED
    alone = judge([claim(some.column(1), above=None, below=0.5)], TABLES, CONTEXT)[0]
    assert falls.p_value == pytest.approx(2 * alone.p_value)  # type: ignore[operator]


@pytest.mark.parametrize("holds", ["all", "any"])
@pytest.mark.parametrize("seeds", [5, 20])
def test_the_choice_of_the_milestone_is_paid_for(holds: str, seeds: int) -> None:
    """Flat at the bound, with noise of each seed and of each milestone: the most that noise can do."""
    rng, wrong, repeats = np.random.default_rng(seeds), 0, 400
    bounds = {"above": 0.8, "below": None} if holds == "all" else {"above": None, "below": 0.8}
    for _ in range(repeats):
        values = 0.8 + rng.normal(0, 0.1, (seeds, 1)) + rng.normal(0, 0.09, (seeds, 80))
        found = claim(Measurement(values, holds=holds), **bounds)  # type: ignore[arg-type]
        wrong += judge([found], TABLES, replace(CONTEXT, resamples=100))[0].outcome == Outcome.REPRODUCED
    assert wrong / repeats < 0.06


def test_a_change_from_pi_star_has_pi_stars_own_error() -> None:
    """A method that is pi* still differs from pi*'s one measurement by chance, the same for all its seeds."""
    rng, wrong, blind, repeats = np.random.default_rng(0), 0, 0, 400
    for _ in range(repeats):
        pi_star, games = rng.normal(size=1000), rng.normal(size=(5, 200)).mean(axis=1)
        runs = measures.Runs(np.array([0, 1]), np.column_stack([np.full(5, pi_star.mean()), games]))
        found = measures.change(runs, lambda values=pi_star: Measurement(values))  # type: ignore[misc]
        wrong += p_value_of(claim(found, above=0.0), found) < 0.05
        blind += p_value_of(claim(found, above=0.0), Measurement(runs.last - runs.first)) < 0.05
    assert wrong / repeats < 0.07
    assert blind / repeats > 0.08


def test_more_seeds_do_not_make_up_for_too_few_episodes_of_pi_star() -> None:
    rng = np.random.default_rng(0)
    seeds, pi_star = rng.normal(0.6, 0.02, 5), rng.normal(0.0, 1.0, 20)
    (fixed,) = judge([claim(Measurement(seeds, pi_star - pi_star.mean(), reference=True))], TABLES, CONTEXT)
    assert (fixed.outcome, fixed.needed_seeds) == (Outcome.UNDECIDED, None)
    assert "that needs more of pi*'s own episodes, not only more seeds" in fixed.reason
    (grows,) = judge([claim(Measurement(seeds, pi_star - pi_star.mean()))], TABLES, CONTEXT)
    assert grows.needed_seeds is not None


def test_episodes_of_pi_star_are_averaged_not_trimmed() -> None:
    """The middle half of pi*'s games that are won nine times in ten is 1."""
    games, seeds = np.array([1.0] * 18 + [0.0] * 2), np.array([0.85, 0.9, 0.9, 0.9, 0.95])
    (result,) = judge([claim(Measurement(seeds, games, reference=True), above=-0.5)], TABLES, CONTEXT)
    assert result.measured == pytest.approx(0.0)


def test_seeds_that_are_all_alike_hide_others_beside_pi_stars_episodes_too() -> None:
    games = np.array([1.0] * 58 + [0.5] * 2)
    found = Measurement(np.array([0.97, 1.0, 1.0, 0.97, 1.0]), games, limits=(0.0, 1.0), reference=True)
    (result,) = judge([claim(found, above=-0.1)], TABLES, CONTEXT)
    assert (result.outcome, p_value_of(claim(found, above=-0.1), found) < 1e-3) == (Outcome.UNDECIDED, True)
    assert "all look alike" in result.reason


def episodes(values: dict[tuple[str, int, int, int], float]) -> pd.DataFrame:
    """(method, seed, step, start) -> success."""
    rows = [
        (*key[:3], "level_4", "far", key[3], number, "success", value)
        for number, (key, value) in enumerate(values.items())
    ]
    names = ["method", "seed", "step", "probe", "group", "start", "episode", "measure", "value"]
    return pd.DataFrame(rows, columns=names)


def test_seeds_with_start_states_of_their_own_are_compared_in_pairs() -> None:
    # Start states differ by 10 times as much as the methods do.
    found = {"bc": 0.01, "vanilla": 0.0}
    table = {
        (method, seed, step, start): (seed + step / 100 * gain)
        for method, gain in found.items()
        for seed, start in enumerate((3, 5, 7, 9, 11))
        for step in (0, 100)
    }
    tables = {"episodes": episodes(table)}
    runs = [measures.runs_of(tables, CONTEXT, method, probe="level_4") for method in found]
    paired = measures.compare(*runs)
    assert paired.second is None
    np.testing.assert_allclose(paired.first, 0.01)
    same = {(*key[:3], NO_START): value for key, value in table.items()}
    apart = measures.compare(
        *[
            measures.runs_of({"episodes": episodes(same)}, CONTEXT, method, probe="level_4")
            for method in found
        ]
    )
    assert apart.second is not None


def test_pi_star_is_averaged_by_start_state() -> None:
    values = {(PI_STAR, 0, 0, start): float(start) for start in range(5)}
    table = pd.concat([episodes(values), episodes({(PI_STAR, 0, 0, 2): 4.0})])
    found = measures.pi_star_by_start({"episodes": table}, probe="level_4")
    assert (found.first.tolist(), found.unit) == ([0.0, 1.0, 3.0, 3.0, 4.0], "start state")


def test_few_start_states_are_no_sample_of_others() -> None:
    """Two start states: the unit is a round of one episode from each; the rest does not count."""
    parts = [
        {(PI_STAR, 0, 0, 0): 1.0, (PI_STAR, 0, 0, 1): 0.0},
        {(PI_STAR, 0, 0, 0): 1.0, (PI_STAR, 0, 0, 1): 1.0},
    ]
    table = pd.concat([episodes(part).assign(episode=index) for index, part in enumerate(parts)])
    table = pd.concat([table, episodes({(PI_STAR, 0, 0, 0): 0.0}).assign(episode=2)])
    found = measures.pi_star_by_start({"episodes": table}, probe="level_4")
    assert (found.first.tolist(), found.unit) == ([0.5, 1.0], "round")
    assert found.note == "5 episodes from 2 start states"


def visits(steps: dict[int, int]) -> pd.DataFrame:
    """Seed -> step of the first visit, as the training table says it."""
    rows = [("vanilla", seed, step, "first_visit_level_4", float(step)) for seed, step in steps.items()]
    rows += [("vanilla", seed, 10, "return", 0.0) for seed in range(5)]
    return pd.DataFrame(rows, columns=["method", "seed", "step", "metric", "value"])


def test_far_is_measured_before_the_first_visit() -> None:
    curve = {0: 1.0, 100: 0.6, 200: 0.3, 300: 0.9}
    table = {("vanilla", seed, step, 0): value for seed in range(5) for step, value in curve.items()}
    tables = {"episodes": episodes(table), "training": visits({0: 250, 1: 101, 2: 201, 3: 299})}
    runs = before_first_visit(tables, CONTEXT, "vanilla", "level_4")
    assert runs.first.tolist() == [1.0] * 5
    assert runs.last.tolist() == [0.3, 0.6, 0.3, 0.3, 0.9]  # seed 4 never gets there
    early = {**tables, "training": visits({0: 250, 1: 99})}
    with pytest.raises(NotTestable, match="4 of 5 seeds"):
        before_first_visit(early, CONTEXT, "vanilla", "level_4")


def test_two_methods_are_read_at_the_same_step_before_either_visits_far() -> None:
    falls = {0: 1.0, 100: 0.6, 200: 0.3, 300: 0.1}
    courses = {"vanilla": falls, "bc": dict.fromkeys(falls, 1.0)}
    table = {
        (name, seed, step, 0): value
        for name, course in courses.items()
        for seed in range(5)
        for step, value in course.items()
    }
    training = pd.concat([visits({0: 250, 1: 350, 2: 350}), visits({0: 350, 1: 150}).assign(method="bc")])
    tables = {"episodes": episodes(table), "training": training}
    curves = {name: measures.runs_of(tables, CONTEXT, name, probe="level_4") for name in ("bc", "vanilla")}
    found = difference_before_visits(tables, CONTEXT, curves, "level_4")
    assert found.first == pytest.approx([0.7, 0.4, 0.9, 0.9, 0.9])  # at 200, 100 and 300 steps
    early = {**tables, "training": pd.concat([training, visits({3: 50})])}
    with pytest.raises(NotTestable, match="4 of 5 pairs of seeds"):
        difference_before_visits(early, CONTEXT, curves, "level_4")
