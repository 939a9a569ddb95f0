"""Outcomes on hand-made tables."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from fpc.claims import measures
from fpc.claims.claim import ClaimContext, NotTestable, Outcome, Result
from fpc.claims.judging import estimate_of
from fpc.claims.seeds import seeds_table
from fpc.claims.testing import all_claims, by_experiment, claims_of, evaluate_claims, metrics
from fpc.core.statistics import interquartile_mean
from fpc.domains.registry import domain_names
from fpc.reporting.ledger import summary, to_markdown

from . import conftest as made
from .test_toys import NEVER

CONTEXT = ClaimContext("tiny", resamples=500, paths={"robotic_sequence": ("results/a.parquet",)})
Tables = dict[str, dict[str, pd.DataFrame]]
VARIANTS = ("two_stages", "shift", "known_first", "small_memory")


def outcomes(tables: Tables, context: ClaimContext = CONTEXT) -> dict[str, Result]:
    """Results by claim id."""
    return {result.claim.id: result for result in evaluate_claims(tables, context)}


def test_what_the_paper_says_is_reproduced(paper_like: Tables) -> None:
    for name, result in outcomes(paper_like).items():
        expected = Outcome.REPRODUCED
        silent = result.claim.kind == "level" or name in NEVER
        if silent or any(part in name for part in VARIANTS):
            expected = Outcome.NOT_TESTABLE
        assert result.outcome == expected, (name, result.reason)


def test_numbers_by_hand(paper_like: Tables) -> None:
    found = outcomes(paper_like)
    # Seeds are 0.02 apart around the height; the interquartile mean of five is that of the middle three.
    assert found["robotic_bc_keeps_far"].measured == pytest.approx((0.93 + 0.95 + 0.97) / 3)
    assert found["robotic_bc_solves_more_than_vanilla"].measured == pytest.approx(0.7)
    assert found["robotic_relearned_policy_differs"].measured == pytest.approx(5 / 18)
    assert found["robotic_late_layers_change"].measured == pytest.approx(0.2)
    assert found["two_state_mdp_coverage_value"].measured == pytest.approx(2.222)
    result = found["robotic_vanilla_forgets"]
    assert (result.seeds, result.level, result.tables) == (5, 0.95, ("results/a.parquet",))
    assert result.low is not None
    assert result.low <= result.measured <= result.high < 0.2  # type: ignore[operator]


def test_metrics_hold_each_measured_number_and_count_the_outcomes(paper_like: Tables) -> None:
    results = evaluate_claims(paper_like, CONTEXT)
    found = metrics(results)
    counted = found.pop("verdicts")
    for outcome in Outcome:
        assert counted[outcome] == sum(result.outcome == outcome for result in results)
    assert found["robotic_sequence"]["robotic_bc_keeps_far"] == pytest.approx(0.95)
    measured = {result.claim.id: result.measured for result in results if result.measured is not None}
    assert {name: value for part in found.values() for name, value in part.items()} == measured


@pytest.mark.parametrize(
    ("name", "far", "whole"),
    [
        ("robotic_vanilla_forgets", {"vanilla": (1.0, 0.5, 0.7)}, {}),
        ("robotic_push_wall_is_gone", {"vanilla": (1.0, 0.2, 0.7)}, {}),
        ("robotic_bc_keeps_far", {"behavioral_cloning": (1.0, 0.9, 0.78)}, {}),
        ("robotic_bc_solves_more_than_vanilla", {}, {"vanilla": (0.0, 0.5, 0.8)}),
        ("robotic_bc_solves_most", {}, {"behavioral_cloning": (0.0, 0.3, 0.3)}),
        ("robotic_behavioral_cloning_above_episodic_memory", {}, {"episodic_memory": (0.0, 0.5, 0.8)}),
        ("robotic_episodic_memory_above_ewc", {}, {"ewc": (0.0, 0.4, 0.7)}),
        ("robotic_ewc_above_vanilla", {}, {"ewc": (0.0, 0.0, 0.05)}),
        ("robotic_vanilla_no_better_than_scratch", {}, {"vanilla": (0.0, 0.4, 0.5)}),
        ("robotic_kickstarting_fails", {}, {"kickstarting": (0.0, 0.5, 0.85)}),
    ],
)
def test_the_contrary_is_not_reproduced(
    paper_like: Tables, name: str, far: made.Heights, whole: made.Heights
) -> None:
    episodes = made.episodes_of({**made.FAR, **far}, {**made.WHOLE, **whole}, made.LIKELIHOOD)
    paper_like["robotic_sequence"]["episodes"] = episodes
    result = outcomes(paper_like)[name]
    assert result.outcome in {Outcome.NOT_REPRODUCED, Outcome.UNDECIDED}, result.reason
    assert result.measured is not None


def test_likelihood_and_layers_that_return_are_not_reproduced(paper_like: Tables) -> None:
    back = {"vanilla": (-2.0, -20.0, -3.0)}
    paper_like["robotic_sequence"] = {
        "episodes": made.episodes_of(made.FAR, made.WHOLE, back),
        "representation": made.representation_of((0.2, 0.9)),
    }
    found = outcomes(paper_like)
    assert found["robotic_relearned_policy_differs"].outcome == Outcome.NOT_REPRODUCED
    assert found["robotic_late_layers_change"].outcome == Outcome.NOT_REPRODUCED


def test_an_interval_across_the_threshold_is_not_enough(paper_like: Tables) -> None:
    episodes = made.episodes_of({**made.FAR, "vanilla": (1.0, 0.18, 0.7)}, made.WHOLE)
    episodes.loc[(episodes["seed"] == 4) & (episodes["value"] == 0.22), "value"] = 0.9
    paper_like["robotic_sequence"]["episodes"] = episodes
    result = outcomes(paper_like)["robotic_vanilla_forgets"]
    assert result.low is not None
    assert result.high is not None
    assert result.low < 0.2 < result.high
    assert result.outcome == Outcome.UNDECIDED
    assert result.needed_seeds is None  # the mean lies outside, so no number of seeds would help


def test_missing_data_are_named(paper_like: Tables) -> None:
    nothing = evaluate_claims({}, CONTEXT)
    assert {result.outcome for result in nothing} == {Outcome.NOT_TESTABLE}
    assert all("no tables of" in result.reason for result in nothing)

    many = ClaimContext("demo", minimum_seeds=6, resamples=50)
    assert "5 seed(s); 6 are asked for" in outcomes(paper_like, many)["robotic_vanilla_forgets"].reason

    robotic = paper_like["robotic_sequence"]
    del robotic["representation"]
    robotic["episodes"] = robotic["episodes"].query("method != 'ewc' and step < 500_000")
    found = outcomes(paper_like)
    assert "representation is missing" in found["robotic_late_layers_change"].reason
    assert "no success of ewc" in found["robotic_ewc_above_vanilla"].reason
    assert "500,000" in found["robotic_bc_solves_most"].reason
    robotic["episodes"] = made.episodes_of({"vanilla": (0.4, 0.0, 0.0)}, made.WHOLE)
    assert "pi* starts at 0.40" in outcomes(paper_like)["robotic_vanilla_forgets"].reason


def test_unequal_budgets_are_not_compared(paper_like: Tables) -> None:
    robotic = paper_like["robotic_sequence"]
    episodes = robotic["episodes"]
    shorter = (episodes["method"] == "vanilla") & (episodes["step"] == 500_000)
    robotic["episodes"] = episodes[~shorter]
    assert "budgets" in outcomes(paper_like)["robotic_bc_solves_more_than_vanilla"].reason


def test_vanilla_like_scratch_says_nothing_where_nobody_learns(paper_like: Tables) -> None:
    nobody = dict.fromkeys(made.WHOLE, (0.0, 0.0, 0.0))
    paper_like["robotic_sequence"]["episodes"] = made.episodes_of(made.FAR, nobody)
    result = outcomes(paper_like)["robotic_vanilla_no_better_than_scratch"]
    assert result.outcome == Outcome.NOT_TESTABLE
    assert "no method reaches" in result.reason


def test_variants_have_tables_of_their_own(paper_like: Tables) -> None:
    paper_like["robotic_sequence_shift_10"] = paper_like["robotic_sequence"]
    paper_like["robotic_sequence_shift_0.01"] = paper_like["robotic_sequence"]
    found = outcomes(paper_like)
    assert found["robotic_shift_10"].outcome == Outcome.REPRODUCED
    assert found["robotic_shift_0.01"].outcome == Outcome.NOT_REPRODUCED


def test_rank_correlation_agrees_with_scipy() -> None:
    generator = np.random.default_rng(0)
    groups = {key: generator.normal(0.1 * key, 1.0, 7) for key in (10.0, 20.0, 30.0)}
    measured = estimate_of(measures.rank_correlation(groups), CONTEXT)
    by_seed = [spearmanr([10, 20, 30], [values[seed] for values in groups.values()]) for seed in range(7)]
    expected = float(interquartile_mean(np.array([result.statistic for result in by_seed])))
    assert measured.value == pytest.approx(expected)
    assert measured.low <= expected <= measured.high
    same = measures.rank_correlation({1.0: np.zeros(5), 2.0: np.zeros(5)})
    assert same.first.tolist() == [0.0] * 5
    with pytest.raises(NotTestable, match="one value"):
        measures.rank_correlation({1.0: np.zeros(5)})
    with pytest.raises(NotTestable, match="number of seeds"):
        measures.rank_correlation({1.0: np.zeros(5), 2.0: np.zeros(6)})


def test_records_are_json_and_complete(paper_like: Tables) -> None:
    records = [result.record() for result in evaluate_claims(paper_like, CONTEXT)]
    text = json.dumps(records, allow_nan=False)
    keys = "id domain statement paper_source paper_value measured interval level seeds verdict reason tables"
    assert all(set(keys.split()) <= record.keys() for record in json.loads(text))
    assert len({record["id"] for record in records}) == len(records) == len(all_claims())
    assert {record["domain"] for record in records} <= set(domain_names())


def test_markdown_shows_every_claim(paper_like: Tables) -> None:
    results = evaluate_claims(paper_like, CONTEXT)
    text = to_markdown(results, CONTEXT)
    assert all(result.claim.statement.replace("|", "\\|") in text for result in results)
    assert summary(results) in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert len(rows) == len(all_claims()) + 5  # a head for each domain
    assert all(line.replace("\\|", "").count("|") == 7 for line in rows)
    assert to_markdown(evaluate_claims(paper_like, CONTEXT), CONTEXT) == text


def test_claims_are_stated_without_their_results() -> None:
    for claim in all_claims():
        assert claim.above is not None or claim.below is not None, claim.id
        assert claim.statement.endswith("."), claim.id
        assert claim.criterion.startswith("interval "), claim.id


def test_domains_are_listed_in_the_order_asked_for() -> None:
    order = list(dict.fromkeys(claim.domain for claim in all_claims(["robotic_sequence", "nethack"])))
    assert order == ["robotic_sequence", "nethack", "apple_retrieval", "montezuma", "two_state_mdp"]
    assert claims_of("measures_of_nothing") == ()


def test_tables_are_split_by_experiment() -> None:
    table = pd.DataFrame({"experiment": ["a", "b", "a"], "value": [1, 2, 3]})
    split = by_experiment({"episodes": table, "states": table[:1]})
    assert split["a"]["episodes"]["value"].tolist() == [1, 3]
    assert set(split["b"]) == {"episodes"}


def test_every_seed_is_listed() -> None:
    episodes = made.episodes_of({"vanilla": (1.0, 0.0, 0.5)}, {"vanilla": (0.0, 0.0, 0.1)})
    table = seeds_table(episodes)
    whole = table[table["probe"] == "whole"]
    assert whole["seed"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(whole["value"], [0.06, 0.08, 0.10, 0.12, 0.14])
    assert set(table["step"]) == {500_000}
    assert seeds_table(episodes.iloc[:0]).empty
