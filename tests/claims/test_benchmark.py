"""Scores of methods, their differences and tests, on hand-made tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from fpc.claims.claim import ClaimContext
from fpc.claims.testing import benchmark_of
from fpc.core.tables import episodes_table
from fpc.reporting.benchmark import (
    NEVER,
    Absent,
    DomainTable,
    Entrant,
    Entry,
    Line,
    benchmark_table,
)
from fpc.reporting.benchmark_csv import COLUMNS, tidy
from fpc.reporting.benchmark_pages import benchmark_page, table_text

from .conftest import tables

CONTEXT = ClaimContext("tiny", resamples=200)
ROBOTIC = "robotic_sequence"
STEPS = (0, 50, 100)
Values = Mapping[str, Sequence[float]]  # method -> each seed's success on the whole sequence after step 0


def entry(domain: str, methods: Sequence[str]) -> Entry:
    """These methods of the tables that agree with the paper."""
    benchmark = benchmark_of(domain)
    assert benchmark is not None
    found = tables()[benchmark.experiment]
    seeds = found["episodes"]["seed"].nunique()
    return Entry(domain, benchmark, found, tuple(Entrant(method, seeds=seeds) for method in methods))


def lines_of(table: DomainTable) -> dict[str, Line]:
    return {line.entrant.name: line for line in table.lines}


def small(values: Values, others: Sequence[Entrant] = ()) -> DomainTable:
    """A table of RoboticSequence with the whole sequence only, one episode per seed and milestone."""
    rows = [
        {"method": method, "seed": seed, "step": step, "value": float(value) if step else 0.0}
        for method, heights in values.items()
        for seed, value in enumerate(heights)
        for step in STEPS
    ]
    identity = {"domain": ROBOTIC, "experiment": ROBOTIC, "condition": "", "probe": "whole", "group": "whole"}
    episodes = episodes_table(rows, **identity, episode=0, measure="success")
    benchmark = benchmark_of(ROBOTIC)
    assert benchmark is not None
    entrants = [Entrant(method, seeds=len(heights)) for method, heights in values.items()]
    return benchmark_table(Entry(ROBOTIC, benchmark, {"episodes": episodes}, (*entrants, *others)), CONTEXT)


@pytest.mark.parametrize(
    ("domain", "method", "score", "kept", "solved"),
    [
        (ROBOTIC, "vanilla", 0.1, 0.03, NEVER),
        (ROBOTIC, "behavioral_cloning", 0.8, 0.95, 500_000),
        (ROBOTIC, "episodic_memory", 0.8, 0.05, 2_000_000),
        (ROBOTIC, "scratch", 0.05, None, NEVER),  # starts from no pi*
        ("nethack", "vanilla", 647, 200 / 400, NEVER),
        ("nethack", "kickstarting", 10588, 405 / 400, 7_500_000),  # 5,000 to 7,200 in 20M; bins of 5M
        ("nethack", "scratch", 776, 0.0, None),  # no games in training
        ("montezuma", "vanilla", (2800 + 3400 + 4000) / 3, 0.4 / 0.8, 10_000_000),
        ("montezuma", "kickstarting", 0, 0.5 / 0.8, NEVER),
        ("montezuma", "scratch", (1400 + 1700 + 2000) / 3, None, 20_000_000),
        ("apple_retrieval", "vanilla", 1 - 20 / 40, 1 - (20 / 60 - 0.05), 0),
    ],
)
def test_measures_of_each_domain(
    domain: str, method: str, score: float, kept: float | None, solved: float | None
) -> None:
    methods = dict.fromkeys(("vanilla", method))
    line = lines_of(benchmark_table(entry(domain, [*methods]), CONTEXT))[method]
    assert line.score is not None
    assert line.score.value == pytest.approx(score)
    value = None if line.far_kept is None else line.far_kept.value
    assert value == (None if kept is None else pytest.approx(kept))
    assert line.solved_at == solved
    assert ("Far kept" in line.reasons) == (kept is None)


def test_a_difference_has_its_interval_and_verdict() -> None:
    methods = ("vanilla", "behavioral_cloning", "ewc", "kickstarting")
    found = lines_of(benchmark_table(entry(ROBOTIC, methods), CONTEXT))
    better, worse = found["behavioral_cloning"].vanilla, found["kickstarting"].vanilla
    assert better is not None
    assert worse is not None
    assert better.estimate is not None
    assert worse.estimate is not None
    assert (better.other, better.words) == ("vanilla", "better")
    assert better.estimate.value == pytest.approx(0.7)
    assert 0.65 < better.estimate.low < 0.7 < better.estimate.high < 0.75
    assert worse.words == "worse"
    assert worse.p_value is not None
    assert worse.p_value < 0.05
    assert worse.estimate.value == pytest.approx(-0.07)
    assert found["vanilla"].vanilla is None
    best = {name: line.other.other for name, line in found.items() if line.other is not None}
    assert best == dict.fromkeys(methods, "behavioral_cloning") | {"behavioral_cloning": "ewc"}


def test_p_values_are_holm_s_over_the_methods_of_the_table() -> None:
    rng = np.random.default_rng(0)
    spread = {name: rng.normal(0.0, 0.05, 6) for name in ("vanilla", "ewc", "kickstarting")}
    centre = {"vanilla": 0.3, "ewc": 0.36, "kickstarting": 0.5}
    values = {name: centre[name] + spread[name] for name in centre}
    table = lines_of(small(values))
    raw = {
        name: stats.ttest_ind(values[name], values["vanilla"], equal_var=False, alternative="greater").pvalue
        for name in ("ewc", "kickstarting")
    }
    assert raw["kickstarting"] < raw["ewc"] < 0.5
    # four hypotheses, as each method may be better or worse
    expected = {"kickstarting": 4 * raw["kickstarting"], "ewc": max(4 * raw["kickstarting"], 3 * raw["ewc"])}
    for name, p_value in expected.items():
        comparison = table[name].vanilla
        assert comparison is not None
        assert comparison.p_value == pytest.approx(p_value)


def test_equal_methods_seldom_differ() -> None:
    """One table in twenty may have a verdict. "Worse than the best other" alone gave it in every tenth."""
    rng = np.random.default_rng(1)
    names = ("vanilla", "behavioral_cloning", "ewc", "kickstarting", "episodic_memory", "scratch")
    found = 0
    for _ in range(60):
        table = small({name: rng.normal(0.5, 0.1, 10) for name in names})
        both = (each for line in table.lines for each in (line.vanilla, line.other))
        words = {each.words for each in both if each is not None}
        found += bool(words & {"better", "worse"})
    assert found <= 5  # of 60, where 3 may be expected


def test_few_seeds_have_an_interval_and_no_test() -> None:
    table = small({"vanilla": (0.1, 0.2, 0.3), "ewc": (0.5, 0.6, 0.7)})
    comparison = lines_of(table)["ewc"].vanilla
    assert comparison is not None
    assert comparison.estimate is not None
    assert (comparison.words, comparison.p_value) == ("not tested", None)
    assert comparison.estimate.value == pytest.approx(0.4)
    assert comparison.estimate.low < 0.4 < comparison.estimate.high
    assert "not tested, ewc, vanilla: 3 seed(s); 5 are asked for" in table_text([table])


def test_one_seed_has_a_value_and_no_interval() -> None:
    table = small({"vanilla": (0.1,), "ewc": (0.5,)})
    line = lines_of(table)["ewc"]
    assert line.score is not None
    assert line.score.value == 0.5
    assert math.isnan(line.score.low)
    assert line.vanilla is not None
    assert line.vanilla.words == "not tested"
    (row,) = [row for row in table_text([table]).splitlines() if row.startswith("ewc ")]
    assert row.split("  ")[0] == "ewc"
    assert "nan" not in table_text([table])


def test_equal_values_are_not_better() -> None:
    table = lines_of(small({"vanilla": [0.5] * 5, "ewc": [0.5] * 5, "kickstarting": [0.0] * 5}))
    comparison = table["ewc"].vanilla
    assert comparison is not None
    assert comparison.estimate is not None
    assert (comparison.estimate.low, comparison.estimate.high) == (0.0, 0.0)
    assert (comparison.words, comparison.p_value) == ("not better", 1.0)


def test_a_method_with_one_seed_does_not_leave_the_others_untested() -> None:
    values = {"vanilla": [0.1] * 5, "ewc": [0.2] * 5, "kickstarting": [0.3] * 5, "episodic_memory": [0.9]}
    table = small(values)
    best = {name: line.other for name, line in lines_of(table).items()}
    assert {name: found.other for name, found in best.items() if found is not None} == {
        "vanilla": "kickstarting",
        "ewc": "kickstarting",
        "kickstarting": "ewc",
        "episodic_memory": "kickstarting",
    }
    words = {name: found.words for name, found in best.items() if found is not None}
    assert words == {
        "vanilla": "not better",
        "ewc": "not better",
        "kickstarting": "better",
        "episodic_memory": "not tested",
    }
    assert "not tested, episodic_memory: 1 seed(s); 5 are asked for" in table_text([table])
    few = small({"vanilla": [0.1], "ewc": [0.2]})
    assert (found := lines_of(few)["vanilla"].other) is not None
    assert found.other == "ewc"


def test_seeds_that_look_alike_have_an_exact_test() -> None:
    """Seeds with 1 against seeds with 0 have no spread; what few seeds may hide is not taken for certain."""
    comparison = lines_of(small({"vanilla": [0.0] * 5, "ewc": [1.0] * 5}))["ewc"].vanilla
    assert comparison is not None
    # If both rates were q, five would all succeed and five all fail with (q (1 - q))^5; two sides.
    assert (comparison.words, comparison.p_value) == ("better", pytest.approx(2 * 0.25**5))
    less = lines_of(small({"vanilla": [0.0] * 5, "ewc": [0.02] * 5}))["ewc"].vanilla
    assert less is not None
    assert less.words == "undecided"


def test_different_budgets_are_not_compared() -> None:
    table = small({"vanilla": [0.1] * 5, "ewc": [0.2] * 5})
    benchmark, found = table.benchmark, tables()[ROBOTIC]["episodes"]
    shorter = found[~((found["method"] == "ewc") & (found["step"] > 1_000_000))]
    entrants = tuple(Entrant(name, seeds=5) for name in ("vanilla", "ewc"))
    done = benchmark_table(Entry(ROBOTIC, benchmark, {"episodes": shorter}, entrants), CONTEXT)
    comparison = lines_of(done)["ewc"].vanilla
    assert comparison is not None
    assert (comparison.words, comparison.estimate) == ("not tested", None)
    assert "budgets or milestones differ" in comparison.reason


def test_a_method_without_tables_is_listed_with_the_reason() -> None:
    table = small({"vanilla": [0.1] * 5, "ewc": [0.2] * 5}, [Entrant("l2", "mine", seeds=5)])
    line = table.lines[-1]
    assert (line.entrant.name, line.score, line.seeds) == ("l2 (mine)", None, 0)
    assert "score, l2 (mine): no success of l2 (mine) (whole)" in table_text([table])
    without = small({"ewc": [0.2] * 5, "kickstarting": [0.3] * 5})
    comparison = lines_of(without)["ewc"].vanilla
    assert comparison is not None
    assert (comparison.words, comparison.reason) == ("not tested", "vanilla has no score")


def test_runs_that_are_not_current_are_counted() -> None:
    stale = (Absent(2, "stale", "its configuration section has changed: finetune.steps was 1, is 2"),)
    table = small({"vanilla": [0.1] * 5}, [Entrant("ewc", seeds=2, absent=stale)])
    text = table_text([table])
    (row,) = [row for row in text.splitlines() if row.startswith("ewc ")]
    assert row.split()[1:6] == ["0", "of", "2", "not", "current"]
    assert "not current, stale (seeds): ewc 2; its configuration section has changed" in text
    page = benchmark_page([table], "tiny")
    assert "| ewc | 0 of 2 | not current | - |" in page
    reasons = tidy([table]).query("method == 'ewc' and metric == 'score'")["reason"]
    assert list(reasons) == ["no run is current"]
    missing = (Absent(2, "missing", ""),)
    text = table_text([small({"vanilla": [0.1] * 5}, [Entrant("ewc", seeds=2, absent=missing)])])
    assert "not current, missing (seeds): ewc 2" in text.splitlines()


def test_all_may_be_compared_with_one_method() -> None:
    methods = ("vanilla", "behavioral_cloning", "ewc", "scratch")
    table = benchmark_table(entry(ROBOTIC, methods), CONTEXT, against="ewc")
    compared = {line.entrant.name: line.other for line in table.lines}
    assert compared.pop("ewc") is None
    assert compared.keys() == set(methods) - {"ewc"}
    assert all(found is not None and found.other == "ewc" for found in compared.values())
    back = benchmark_table(entry(ROBOTIC, methods), CONTEXT, against="vanilla")
    for line in back.lines:  # the same comparison and family as the column beside it
        assert line.other == line.vanilla
    page = benchmark_page([table], "tiny")
    assert "| minus ewc |" in page
    assert "(ewc)" not in page.partition("## RoboticSequence")[2]
    assert "minus_ewc" in set(tidy([table])["metric"])


def test_what_a_variant_brings_is_compared_with_bc_and_ewc() -> None:
    methods = ("vanilla", "behavioral_cloning", "ewc", "kickstarting")
    own = entry(ROBOTIC, methods)
    brought = [replace(one, variant=one.method) if one.method == methods[-1] else one for one in own.entrants]
    table = benchmark_table(replace(own, entrants=tuple(brought)), CONTEXT)
    lines = lines_of(table)
    named = lines["kickstarting"].named
    assert [found.other for found in named] == ["behavioral_cloning", "ewc"]
    for found in named:  # as --against would say
        assert found == lines_of(benchmark_table(own, CONTEXT, found.other))["kickstarting"].other
        assert found.words == "worse"
    assert not any(line.named for name, line in lines.items() if name != "kickstarting")
    data = tidy([table]).set_index(["method", "metric"])["words"]
    assert data["kickstarting", "minus_ewc"] == data["kickstarting", "minus_behavioral_cloning"] == "worse"
    assert ("vanilla", "minus_ewc") not in data.index
    (row,) = [
        row for row in benchmark_page([table], "tiny").splitlines() if row.startswith("| RoboticSequence | ")
    ]
    assert row.startswith("| RoboticSequence | kickstarting | -0.77 [")
    assert row.count(" worse, p = ") == 2
    assert "beat BC or EWC" not in benchmark_page([benchmark_table(own, CONTEXT)], "tiny")


def test_text_page_and_data_have_the_same_numbers() -> None:
    table = benchmark_table(entry(ROBOTIC, ("vanilla", "behavioral_cloning", "ewc", "scratch")), CONTEXT)
    data, page, text = tidy([table]), benchmark_page([table], "tiny"), table_text([table])
    assert tuple(data.columns) == COLUMNS
    assert not data.duplicated(["domain", "method", "variant", "metric"]).any()
    assert len(data) == 4 * 6
    for line in table.lines:
        rows = data[data["method"] == line.entrant.method].set_index("metric")
        assert line.score is not None
        assert rows.loc["score", "value"] == line.score.value
        written = f"{line.score.value:.3g} [{line.score.low:.3g}, {line.score.high:.3g}]"
        assert f"| {line.entrant.name} | 5 | {written} |" in page
        assert any(row.startswith(line.entrant.name) and written in row for row in text.splitlines())
        assert (rows.loc["solved_at", "value"] == NEVER) == (line.solved_at == NEVER)
    assert "π\\*" in page
    assert "pi*" not in page
    order = data.drop_duplicates("method")["value"].to_list()
    assert order == sorted(order, reverse=True)
    empty = data[(data["method"] == "scratch") & (data["metric"] == "far_kept")].iloc[0]
    assert pd.isna(empty["value"])
    assert "too little to forget" in empty["reason"]
