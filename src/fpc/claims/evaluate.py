"""Holds every claim against the tables and writes the outcome down to be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fpc.claims import apple_retrieval, montezuma, nethack, robotic_sequence, two_state_mdp
from fpc.claims.claim import Claim, ClaimContext, Result, TablesByExperiment, Verdict, asked_of, hold

if TYPE_CHECKING:
    import pandas as pd

CLAIMS: tuple[Claim, ...] = (
    *two_state_mdp.CLAIMS,
    *apple_retrieval.CLAIMS,
    *robotic_sequence.CLAIMS,
    *nethack.CLAIMS,
    *montezuma.CLAIMS,
)
WORDS = {
    Verdict.REPRODUCED: "reproduced",
    Verdict.NOT_REPRODUCED: "not reproduced",
    Verdict.NOT_TESTABLE: "not testable",
}


def by_experiment(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, pd.DataFrame]]:
    """Split tables that hold several experiments by their column ``experiment``."""
    split: dict[str, dict[str, pd.DataFrame]] = {}
    for name, table in tables.items():
        for experiment, rows in table.groupby("experiment", observed=True):
            split.setdefault(str(experiment), {})[name] = rows
    return split


def evaluate_claims(tables_by_experiment: TablesByExperiment, context: ClaimContext) -> list[Result]:
    """Every claim with its verdict, in the order of the domains."""
    return [hold(claim, tables_by_experiment, context) for claim in CLAIMS]


def summary(results: Sequence[Result]) -> str:
    """How many claims fared how, in words."""
    counts = Counter(result.verdict for result in results)
    return ", ".join(f"{counts[verdict]} {WORDS[verdict]}" for verdict in Verdict)


def metrics(results: Sequence[Result]) -> dict[str, Any]:
    """Verdicts counted, and domain -> claim -> measured number: what ``dvc metrics`` shows and compares."""
    counts = Counter(result.verdict for result in results)
    found: dict[str, Any] = {"verdicts": {str(verdict): counts[verdict] for verdict in Verdict}}
    for result in results:
        if result.measured is not None:
            found.setdefault(result.claim.domain, {})[result.claim.id] = result.measured
    return found


def to_markdown(results: Sequence[Result], context: ClaimContext) -> str:
    """The claims as a page: the rule, then a table for each domain."""
    lines = [
        f"# Claims at scale {context.scale}",
        "",
        f"{summary(results)}.",
        "",
        "A claim is reproduced where its whole bootstrap interval "
        f"({context.level:.0%}, interquartile mean over seeds) lies in the range that was fixed beforehand, "
        "and not reproduced otherwise. It is not testable where tables, methods, steps or seeds "
        f"({_seeds_asked_for(results, context)}) are missing.",
    ]
    for domain in dict.fromkeys(result.claim.domain for result in results):
        lines += ["", f"## {domain}", "", "| claim | paper | measured | rule | seeds | verdict |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [_row(result) for result in results if result.claim.domain == domain]
    return "\n".join(lines) + "\n"


def _seeds_asked_for(results: Sequence[Result], context: ClaimContext) -> str:
    """How many, and in which domains fewer do."""
    fewer = {
        result.claim.domain: found
        for result in results
        if (found := asked_of(result.claim, context).minimum_seeds) < context.minimum_seeds
    }
    few = [
        f"{domain}: {count}, where an interval is about the seeds' range" for domain, count in fewer.items()
    ]
    return "; ".join([f"at least {context.minimum_seeds} a method", *few])


def measured_text(result: Result) -> str:
    """The measured number with its interval; empty where nothing was measured."""
    if result.measured is None:
        return ""
    if result.low is None or result.high is None:
        return f"{result.measured:.3g}"
    return f"{result.measured:.3g} [{result.low:.3g}, {result.high:.3g}]"


def _row(result: Result) -> str:
    claim = result.claim
    cells = [
        f"{claim.statement}",
        f"{claim.paper_value} ({claim.paper_source})",
        measured_text(result),
        f"{claim.quantity}: {claim.criterion}",
        str(result.seeds or ""),
        f"**{WORDS[result.verdict]}**: {result.reason}",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
