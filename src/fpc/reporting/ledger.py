"""The ledger of claims as text: the rule, then a table for each domain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fpc.claims.claim import ClaimContext, Outcome, Result, context_for


def summary(results: Sequence[Result]) -> str:
    """Number of claims with each outcome, in words."""
    counts = Counter(result.outcome for result in results)
    return ", ".join(f"{counts[outcome]} {outcome.words}" for outcome in Outcome)


def to_markdown(results: Sequence[Result], context: ClaimContext) -> str:
    """The claims as a page: the rule, then a table for each domain."""
    lines = [
        f"# Claims at scale {context.scale}",
        "",
        f"{summary(results)}.",
        "",
        "A claim is reproduced if its whole bootstrap interval "
        f"({context.level:.0%}, interquartile mean over seeds) lies in a range that was fixed beforehand, "
        "and not reproduced otherwise. It is not testable if tables, methods, steps or seeds are missing "
        f"({_required_seeds(results, context)}).",
    ]
    for domain in dict.fromkeys(result.claim.domain for result in results):
        lines += ["", f"## {domain}", "", "| claim | paper | measured | rule | seeds | verdict |"]
        lines += ["|---|---|---|---|---|---|"]
        lines += [_row(result) for result in results if result.claim.domain == domain]
    return "\n".join(lines) + "\n"


def _required_seeds(results: Sequence[Result], context: ClaimContext) -> str:
    """Required number of seeds, with the domains that require fewer."""
    fewer = {
        result.claim.domain: found
        for result in results
        if (found := context_for(result.claim, context).minimum_seeds) < context.minimum_seeds
    }
    few = [
        f"{domain}: {count}, whose interval is roughly the range of the seeds"
        for domain, count in fewer.items()
    ]
    return "; ".join([f"at least {context.minimum_seeds} seeds per method", *few])


def measured_text(measured: float | None, low: float | None, high: float | None) -> str:
    """The measured number with its interval; empty if nothing was measured."""
    if measured is None:
        return ""
    interval = "" if low is None or high is None else f" [{low:.3g}, {high:.3g}]"
    return f"{measured:.3g}{interval}"


def _row(result: Result) -> str:
    claim = result.claim
    cells = [
        claim.statement,
        f"{claim.paper_value} ({claim.paper_source})",
        measured_text(result.measured, result.low, result.high),
        f"{claim.quantity}: {claim.criterion}",
        str(result.seeds or ""),
        f"**{result.outcome.words}**: {result.reason}",
    ]
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
