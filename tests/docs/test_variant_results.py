"""The part of the page of results about variants: what they tested with runs of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fpc.claims.claim import Outcome, Result
from fpc.claims.testing import all_claims
from fpc.reporting.markdown import Figures
from fpc.reporting.variant_results import VariantResults, about, variants_part

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "results" / "laptop" / "figures"
OWN, SHARED = "results/laptop+gap/x/episodes.parquet", "results/laptop/x/episodes.parquet"
CLAIMS = all_claims(["robotic_sequence"])


def entry(index: int, outcome: Outcome, tables: tuple[str, ...], seeds: int = 5) -> dict[str, Any]:
    """An entry of a ledger, measured on these tables."""
    result = Result(CLAIMS[index], outcome, "0.25 [0.2, 0.3], p = 0.9: not so", 0.25, 0.2, 0.3, 0.95, seeds)
    return result.record() | {"tables": list(tables)}


def variant(*records: dict[str, Any], names: tuple[str, ...] = ()) -> VariantResults:
    """Results of the variant `gap`, with figures of the scale."""
    return VariantResults("gap", "laptop+gap", "No gap.", Figures(PICTURES, "pictures"), names, records)


def test_only_claims_about_own_runs_are_listed() -> None:
    mine = entry(0, Outcome.REPRODUCED, (SHARED, OWN))
    theirs = entry(1, Outcome.REPRODUCED, (SHARED,))
    untested = entry(2, Outcome.NOT_TESTABLE, (OWN,), seeds=0)
    untested |= {"measured": None, "interval": [None, None], "reason": "pi* knows too little"}
    text = "\n\n".join(variants_part([variant(mine, theirs, untested)]))
    assert text.startswith("## Variants\n")
    assert "### Variant `gap`\n\nNo gap.\n`results/laptop+gap/report.html` shows all of it." in text
    rows = [line for line in text.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 2
    assert rows[1].endswith("| π\\* knows too little |  | not testable |")
    assert not [line for line in text.splitlines() if line.startswith("- ")]
    assert rows[0].endswith(": 0.25 [0.2, 0.3] | 5 seeds | reproduced |")


def test_what_is_not_reproduced_has_its_reason() -> None:
    good, bad = entry(0, Outcome.REPRODUCED, (OWN,)), entry(1, Outcome.NOT_REPRODUCED, (OWN,))
    text = "\n\n".join(variants_part([variant(good, bad)]))
    listed = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(listed) == 1
    assert listed[0].startswith("- Not reproduced: ")
    assert listed[0].endswith(": 0.25 [0.2, 0.3], p = 0.9: not so.")


def test_figures_are_shown_with_their_captions() -> None:
    text = "\n\n".join(variants_part([variant(names=("figure_7", "figure_27"))]))
    assert "](pictures/figure_7.png)\n\n*Success on each stage by itself" in text
    assert "figure_27" not in text  # never drawn


def test_variants_without_results_take_no_room() -> None:
    assert not list(variants_part([]))
    assert not list(variants_part([variant(entry(0, Outcome.REPRODUCED, (SHARED,)))]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("# yaml-language-server: $schema=../schema.json\n# One.\n# Two.\nexperiments: {}\n", "One. Two."),
        ("# One.\n\n# Two.\nexperiments: {}\n", "One."),
        ("experiments: {}  # One.\n", ""),
    ],
)
def test_a_variant_is_described_by_its_first_comment(text: str, said: str) -> None:
    assert about(text) == said


def test_every_variant_says_what_it_is_for() -> None:
    for path in sorted((ROOT / "configs" / "variants").glob("*.yaml")):
        assert about(path.read_text(encoding="utf-8")), path.name
