"""What README, the site's first page and the page of results say was found is what the ledger says."""

from __future__ import annotations

import json
import re
import runpy
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import markdown
import numpy as np
import pytest

from fpc.claims.claim import Claim, ClaimContext, Measurement, Outcome, Result, claim_of
from fpc.claims.headlines import HEADLINES
from fpc.claims.judging import judge
from fpc.claims.testing import all_claims
from fpc.figures.catalogue import figure_domain
from fpc.reporting import markdown as pages
from fpc.reporting.findings import prose

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "results" / "laptop" / "figures"
FIRST_PAGES = (ROOT / "README.md", ROOT / "docs" / "index.md")
RESULTS = ROOT / "docs" / "results.md"
LEDGER: list[dict[str, Any]] = json.loads((ROOT / "results/laptop/claims.json").read_text(encoding="utf-8"))


def plain(page: Path) -> str:
    """A page without the escapes of Markdown."""
    return page.read_text(encoding="utf-8").replace("\\*", "*").replace("&#124;", "|").replace("&lt;", "<")


def record(claim: Claim, outcome: Outcome, reason: str = "seen") -> dict[str, Any]:
    """An entry of a ledger by the code's own rules."""
    measured = None if outcome == Outcome.NOT_TESTABLE else 0.25
    seeds = 0 if measured is None else 5
    return Result(claim, outcome, reason, measured, measured, measured, 0.95, seeds).record()


@pytest.fixture(name="ledger")
def ledger_fixture() -> list[dict[str, Any]]:
    """A ledger of all claims as the code has them, every one reproduced."""
    return [record(claim, Outcome.REPRODUCED) for claim in all_claims()]


@pytest.fixture(name="first_page")
def first_page_fixture() -> Callable[[list[dict[str, Any]]], str]:
    """The opening of a first page for a ledger."""
    figures = pages.Figures(PICTURES, "results/laptop/figures")
    return lambda records: pages.opening(records, all_claims(), "laptop", figures)


def test_a_domain_without_a_headline_says_nothing_of_loss(
    first_page: Callable[[list[dict[str, Any]]], str],
) -> None:
    """Its first claim may be about anything, such as what pi* knows."""
    known = record(all_claims()[0], Outcome.REPRODUCED) | {"domain": "maze", "statement": "pi* knows Far."}
    page = first_page([known])
    assert "That fine-tuning loses" not in page
    assert "| Maze | π\\* knows Far." in page


def test_headlines_name_claims_and_figures_of_their_own_domain() -> None:
    claims = {claim.id: claim for claim in all_claims()}
    for headline in HEADLINES:
        assert figure_domain(headline.figure) == headline.domain
        assert len(set(headline.claims)) == len(headline.claims)
        for name in headline.claims:
            assert claims[name].domain == headline.domain, name
            assert claims[name].kind == "shape", f"{name} is judged at one scale only"
    assert {headline.domain for headline in HEADLINES} == {claim.domain for claim in claims.values()}


@pytest.mark.parametrize("page", FIRST_PAGES, ids=lambda page: page.name)
def test_counts_on_the_first_pages_are_those_of_the_ledger(page: Path) -> None:
    text = plain(page)
    for headline in HEADLINES:
        counts = Counter(item["verdict"] for item in LEDGER if item["domain"] == headline.domain)
        name = headline.title.removeprefix("the ")
        row = re.search(rf"^\| {name} \|.*$", text, re.MULTILINE | re.IGNORECASE)
        assert row is not None
        assert row[0].endswith("| " + " / ".join(str(counts[outcome]) for outcome in Outcome) + " |")
    total = Counter(item["verdict"] for item in LEDGER)
    assert f"Of {len(LEDGER)} claims of the paper, scale `laptop` reproduces {total['reproduced']}," in text


def test_the_page_of_results_explains_every_claim_that_is_not_reproduced() -> None:
    text = plain(RESULTS)
    for item in LEDGER:
        if item["verdict"] in ("not_reproduced", "undecided"):
            assert f"- {prose(item['statement'])} " in text
            assert prose(item["reason"]) in text


def test_the_page_of_results_names_or_counts_every_claim_that_is_not_testable() -> None:
    """Few claims with one reason are named, many are counted."""
    sections = re.findall(
        r"^### .+: not testable at this scale\n\n((?:- .+\n)+)", plain(RESULTS), re.MULTILINE
    )
    assert len(sections) == len({item["domain"] for item in LEDGER if item["verdict"] == "not_testable"})
    counts = [int(number) for number in re.findall(r": (\d+) claims\.$", "\n".join(sections), re.MULTILINE)]
    assert min(counts) > pages.FEW
    untested = [item for item in LEDGER if item["verdict"] == "not_testable"]
    named = [item for item in untested if any(prose(item["statement"]) in text for text in sections)]
    assert len(named) + sum(counts) == len(untested)


def test_statements_that_no_claim_tests_are_listed_with_their_reasons() -> None:
    page, text = ROOT / "docs" / "reference" / "claims.md", plain(RESULTS)
    reasons = re.findall(r"\| not measured: (.+) \|$", plain(page), re.MULTILINE)
    left_out = [reason for reason in reasons if prose(reason) not in text]
    assert len(reasons) > len(left_out)
    assert all(reason.startswith("tested per domain") for reason in left_out)


@pytest.mark.parametrize("page", [*FIRST_PAGES, RESULTS], ids=lambda page: page.name)
def test_pictures_exist_and_have_words(page: Path) -> None:
    pictures = re.findall(r"!\[([^\]]*)\]\(([^)]*results/[^)]+)\)", page.read_text(encoding="utf-8"))
    assert pictures
    for words, target in pictures:
        assert len(words) > 20
        assert (page.parent / target).resolve().is_file(), target


def test_the_finding_follows_the_verdicts(
    ledger: list[dict[str, Any]], first_page: Callable[[list[dict[str, Any]]], str]
) -> None:
    assert "loses what π\\* knew is reproduced on RoboticSequence, NetHack," in first_page(ledger)
    losses = {headline.loss for headline in HEADLINES if headline.domain in ("nethack", "montezuma")}
    for item in ledger:
        if item["id"] in losses:
            item["verdict"] = "not_reproduced"
    text = first_page(ledger)
    assert "; not reproduced on NetHack and Montezuma's Revenge." in text
    assert f"does not reproduce {len(losses)}, leaves 0 undecided" in text


def test_results_of_other_rules_say_so(
    ledger: list[dict[str, Any]], first_page: Callable[[list[dict[str, Any]]], str]
) -> None:
    assert "earlier version" not in first_page(ledger)
    ledger[3]["criterion"] = "interval above 77"
    del ledger[0]
    assert f"earlier version: 1 of the {len(ledger)} claims have been" in first_page(ledger)
    assert "and 1 added" in first_page(ledger)


def test_a_domain_without_a_headline_is_shown_by_its_first_claim(
    ledger: list[dict[str, Any]], first_page: Callable[[list[dict[str, Any]]], str]
) -> None:
    own = {**ledger[0], "id": "two_doors_opens", "domain": "two_doors", "statement": "The left door opens."}
    assert re.search(r"^\| Two_doors \| The left door opens\..* 1 / 0 / 0 / 0 \|$", first_page([own]), re.M)


def test_many_claims_with_one_reason_are_counted(ledger: list[dict[str, Any]]) -> None:
    levels = [claim for claim in all_claims() if claim.kind == "level" and claim.domain == "robotic_sequence"]
    reason = f"0.5 [0.4, 0.6]; {pages.LEVELS}; at 20,000 steps"
    found = [record(claim, Outcome.NOT_TESTABLE, reason) for claim in levels]
    figures = pages.Figures(PICTURES, "../results/laptop/figures")
    text = pages.results_page(found, all_claims(), "laptop", figures, {})
    assert f"with the paper's at scale `paper` only: {len(levels)} claims." in text
    assert levels[0].statement not in text.partition("not testable at this scale")[2]


def test_reasons_that_are_grouped_are_those_that_judging_gives() -> None:
    values = Measurement(np.arange(5.0))
    level = claim_of("nethack", "x", "X.", ("Table 4", "3"), "x", lambda *_: values, above=0.0, kind="level")
    tables: dict[str, Any] = {"nethack": {}}
    assert pages.LEVELS in judge([level], tables, ClaimContext("laptop"))[0].reason
    assert pages.NO_TABLES.match(judge([level], {}, ClaimContext("laptop"))[0].reason)


def test_a_film_takes_the_place_of_the_picture(
    ledger: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(PICTURES / "figure_7.png", tmp_path)
    figures = pages.Figures(tmp_path, "results/laptop/figures")
    text = pages.opening(ledger, all_claims(), "laptop", figures)
    assert re.findall(r"\]\((.+)\)", text) == ["results/laptop/figures/figure_7.png"]
    monkeypatch.setattr(pages, "FILM", "film_6")
    shutil.copy(PICTURES / "film_6.gif", tmp_path)
    text = pages.opening(ledger, all_claims(), "laptop", figures)
    assert re.findall(r"\]\((.+)\)", text) == ["results/laptop/figures/film_6.gif"]


def test_stars_and_bars_survive_markdown(ledger: list[dict[str, Any]]) -> None:
    ledger[0] |= {"statement": "pi* beats pi* in |b|/|w| < 1.", "verdict": "not_reproduced"}
    figures = pages.Figures(PICTURES, "../results/laptop/figures")
    text = pages.results_page(ledger[:1], all_claims(), "laptop", figures, {})
    html = markdown.markdown(text, extensions=["tables"])
    assert "π* beats π* in |b|/|w| &lt; 1." in html.replace("&#124;", "|")


def test_a_page_without_its_markers_is_an_error_that_says_so(tmp_path: Path) -> None:
    generated = runpy.run_path(str(ROOT / "docs" / "generated.py"))
    page = tmp_path / "page.md"
    page.write_text("# Page\n", encoding="utf-8")
    generated["first_page"].__globals__["ROOT"] = tmp_path
    with pytest.raises(SystemExit, match=r"page\.md: add the lines <!-- results:begin"):
        generated["first_page"](page)
