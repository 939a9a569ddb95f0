"""The table of the paper's statements says what the claims do, and leaves none out."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

from fpc.claims.testing import all_claims

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "claims.md"
SOURCE = re.compile(r"(Figures?|Tables?|Sections?|Appendix|Text)\b")


def rows() -> list[list[str]]:
    """The cells of each row of the page's tables."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in cells if row[0] != "statement"]


def test_every_row_has_a_statement_a_source_and_a_claim_or_a_reason() -> None:
    for row in rows():
        assert len(row) == 4, row
        statement, source, rule, claim = row
        assert statement.endswith("."), row
        assert SOURCE.match(source), row
        if claim.startswith("`"):
            assert rule, row
        else:
            assert re.match(r"not measured: \w.{20,}", claim), row


def test_every_claim_stands_in_the_table_once() -> None:
    listed = [row[3].strip("`") for row in rows() if row[3].startswith("`")]
    assert sorted(listed) == sorted(claim.id for claim in all_claims())


def test_claims_named_in_a_reason_exist() -> None:
    claims = {claim.id for claim in all_claims()}
    general = [
        row[3] for row in rows() if row[3].startswith("not measured:") and "tested per domain" in row[3]
    ]
    named = [re.findall(r"`([\w.]+)`", reason) for reason in general]
    assert all(named), "a reason names no claim"
    assert {name for names in named for name in names} <= claims


def test_rules_are_those_of_the_code() -> None:
    generated = runpy.run_path(str(ROOT / "docs" / "generated.py"))
    assert generated["statements"]() == PAGE.read_text(encoding="utf-8"), "run `python docs/generated.py`"
    rules = {row[3].strip("`"): row[2] for row in rows()}
    for claim in all_claims():
        assert rules[claim.id] == generated["rule_of"](claim)


def numbers_after(word: str) -> set[int]:
    """Numbers of figures (or tables) that sources name: "Figures 4, 16", "Figure 3c", "Figures 21 to 23"."""
    found: set[int] = set()
    for row in rows():
        for listed in re.findall(rf"{word}s? ((?:\d+[a-c]?(?:, | and | to )?)+)", row[1]):
            for first, last in re.findall(r"(\d+)[a-c]? to (\d+)", listed):
                found |= set(range(int(first), int(last) + 1))
            found |= {int(number) for number in re.findall(r"\d+", listed)}
    return found


def test_every_figure_and_table_of_the_paper_is_named() -> None:
    assert numbers_after("Figure") == set(range(1, 28))
    assert numbers_after("Table") == set(range(1, 7))
