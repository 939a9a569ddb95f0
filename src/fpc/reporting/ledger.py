"""The ledger of claims as text: the rule, then a table for each domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fpc.claims.claim import ClaimContext, Outcome, Result
from fpc.core.numbers import number


def summary(results: Sequence[Result]) -> str:
    """Number of claims with each outcome, in words."""
    counts = Counter(result.outcome for result in results)
    return ", ".join(f"{counts[outcome]} {outcome.words}" for outcome in Outcome)


def to_markdown(results: Sequence[Result], context: ClaimContext) -> str:
    """The claims as a page: the rule, then a table for each domain."""
    lines = [f"# Claims at scale {context.scale}", "", f"{summary(results)}.", "", _rule(context)]
    for domain in dict.fromkeys(result.claim.domain for result in results):
        lines += ["", f"## {domain}", "", "| claim | paper | measured | rule | seeds | verdict |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [_row(result) for result in results if result.claim.domain == domain]
    return "\n".join(lines) + "\n"


def _rule(context: ClaimContext) -> str:
    """The rule of all claims, in words."""
    return (
        f"A claim is reproduced if its whole bootstrap interval ({context.level:.0%}, interquartile mean "
        "over seeds) lies in a range that was fixed beforehand and a t-test (where seeds succeed or fail as "
        "a whole, also an exact test), adjusted by Holm's procedure for all claims of the domain, agrees "
        f"(p below {1 - context.level:.2g}); not reproduced if the "
        "whole interval lies outside; undecided if neither holds. It is not testable if tables, methods or "
        f"steps are missing, or there are fewer than {context.minimum_seeds} seeds per method. Claims marked "
        "*level* compare numbers with the paper's, at scale `paper` only; all others are about order "
        "and shape."
    )


def measured_text(measured: float | None, low: float | None, high: float | None) -> str:
    """The measured number with its interval; empty if nothing was measured."""
    if measured is None:
        return ""
    interval = "" if low is None or high is None else f" [{number(low)}, {number(high)}]"
    return f"{number(measured)}{interval}"


def _count(result: Result) -> str:
    """Number of seeds, or of what else was counted; empty if nothing was measured."""
    if not result.seeds:
        return ""
    return str(result.seeds) if result.unit == "seed" else f"{result.seeds} {result.unit}s"


def _row(result: Result) -> str:
    claim = result.claim
    cells = [
        claim.statement if claim.kind == "shape" else f"{claim.statement} *(level)*",
        f"{claim.paper_value} ({claim.paper_source})",
        measured_text(result.measured, result.low, result.high),
        f"{claim.quantity}: {claim.criterion}",
        _count(result),
        f"**{result.outcome.words}**: {result.reason}",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
