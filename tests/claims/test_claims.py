"""Outcomes on hand-made tables."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from fpc.claims.claim import ClaimContext, NotTestable, Outcome, Result
from fpc.claims.judging import estimate_of
from fpc.claims.seeds import seeds_table
from fpc.claims.testing import all_claims, by_experiment, claims_of, evaluate_claims, metrics
from fpc.claims.trends import rank_correlation
from fpc.core.statistics import interquartile_mean
from fpc.domains.registry import domain_names
from fpc.reporting.files import write_claims
from fpc.reporting.ledger import summary, to_markdown

from . import robotic_tables as robotic
from .test_toys import NEVER

CONTEXT = ClaimContext("tiny", resamples=500, paths={"robotic_sequence": ("results/a.parquet",)})
Tables = dict[str, dict[str, pd.DataFrame]]


def outcomes(tables: Tables, context: ClaimContext = CONTEXT) -> dict[str, Result]:
    """Results by claim id."""
    return {result.claim.id: result for result in evaluate_claims(tables, context)}


def test_what_the_paper_says_is_reproduced(paper_like: Tables) -> None:
    for name, result in outcomes(paper_like).items():
        expected = Outcome.REPRODUCED
        if result.claim.kind == "level" or name in NEVER:
            expected = Outcome.NOT_TESTABLE
        if set(result.claim.experiments) <= paper_like.keys():  # the others are tested with their domain
            assert result.outcome == expected, (name, result.reason)


def test_results_name_seeds_level_and_tables(paper_like: Tables) -> None:
    found = outcomes(paper_like)
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
    assert found["robotic_sequence"]["robotic_bc_keeps_last_far"] == pytest.approx(0.95)
    measured = {result.claim.id: result.measured for result in results if result.measured is not None}
    assert {name: value for part in found.values() for name, value in part.items()} == measured


def test_an_interval_across_the_threshold_is_not_enough(paper_like: Tables) -> None:
    high = {("vanilla", probe): robotic.always(1.0, 0.19) for probe in (robotic.PEG, robotic.WALL)}
    episodes = robotic.episodes(robotic.changed(robotic.MAIN, high))
    lucky = (episodes["method"] == "vanilla") & (episodes["seed"] == 4) & (episodes["step"] > 0)
    episodes.loc[lucky & (episodes["group"] == "far"), "value"] = 0.9
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

    tables = paper_like["robotic_sequence"]
    del tables["representation"]
    tables["episodes"] = tables["episodes"].query("method != 'ewc'")
    found = outcomes(paper_like)
    assert "representation is missing" in found["robotic_late_layers_change"].reason
    assert "no success of ewc" in found["robotic_ewc_above_vanilla"].reason


def test_unequal_budgets_are_not_compared(paper_like: Tables) -> None:
    tables = paper_like["robotic_sequence"]
    episodes = tables["episodes"]
    shorter = (episodes["method"] == "vanilla") & (episodes["step"] == episodes["step"].max())
    tables["episodes"] = episodes[~shorter]
    assert "budgets" in outcomes(paper_like)["robotic_bc_above_vanilla"].reason


def test_rank_correlation_agrees_with_scipy() -> None:
    generator = np.random.default_rng(0)
    groups = {key: generator.normal(0.1 * key, 1.0, 7) for key in (10.0, 20.0, 30.0)}
    measured = estimate_of(rank_correlation(groups), CONTEXT)
    by_seed = [spearmanr([10, 20, 30], [values[seed] for values in groups.values()]) for seed in range(7)]
    expected = float(interquartile_mean(np.array([result.statistic for result in by_seed])))
    assert measured.value == pytest.approx(expected)
    assert measured.low <= expected <= measured.high
    same = rank_correlation({1.0: np.zeros(5), 2.0: np.zeros(5)})
    assert same.first.tolist() == [0.0] * 5
    with pytest.raises(NotTestable, match="one value"):
        rank_correlation({1.0: np.zeros(5)})
    with pytest.raises(NotTestable, match="number of seeds"):
        rank_correlation({1.0: np.zeros(5), 2.0: np.zeros(6)})


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


def test_a_scale_tests_the_claims_of_its_own_domains_in_their_order(paper_like: Tables) -> None:
    domains = ("robotic_sequence", "nethack")
    tested = evaluate_claims(paper_like, replace(CONTEXT, domains=domains))
    assert tuple(dict.fromkeys(result.claim.domain for result in tested)) == domains
    assert {claim.domain for claim in all_claims()} == set(domain_names())
    assert claims_of("measures_of_nothing") == ()


def test_tables_are_split_by_experiment() -> None:
    table = pd.DataFrame({"experiment": ["a", "b", "a"], "value": [1, 2, 3]})
    split = by_experiment({"episodes": table, "states": table[:1]})
    assert split["a"]["episodes"]["value"].tolist() == [1, 3]
    assert set(split["b"]) == {"episodes"}


def test_every_seed_is_listed() -> None:
    curves = {"vanilla": {robotic.WALL: robotic.always(1.0, 0.5), "whole": robotic.always(0.0, 0.1)}}
    table = seeds_table(robotic.episodes(curves, far=1))
    whole = table[table["probe"] == "whole"]
    assert whole["seed"].tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_allclose(whole["value"], [0.08, 0.09, 0.10, 0.11, 0.12])
    assert set(table["step"]) == {4_000_000}
    assert seeds_table(robotic.episodes(curves).iloc[:0]).empty


def test_without_experiments_no_claim_is_testable(tmp_path: Path) -> None:
    """A scale without figures has no experiments, as only those that a figure reads are run."""
    write_claims({}, ClaimContext("tiny"), tmp_path)
    records = json.loads((tmp_path / "claims.json").read_text(encoding="utf-8"))
    assert {record["verdict"] for record in records} == {"not_testable"}
    assert (tmp_path / "claims_seeds.csv").read_text(encoding="utf-8").count("\n") == 1
