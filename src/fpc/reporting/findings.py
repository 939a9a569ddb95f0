"""What was found, domain by domain, in words and numbers taken from ``claims.json`` alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fpc.claims.claim import Outcome
from fpc.claims.headlines import HEADLINES, headline_of

Record = Mapping[str, Any]  # an entry of claims.json


@dataclass(frozen=True)
class Finding:
    """What the ledger says about one domain."""

    domain: str
    title: str
    figure: str  # name of the figure that shows it; empty if there is none
    loss: Record | None  # None: not in this ledger
    remedy: Record | None
    main: tuple[Record, ...]  # loss, remedy and the other main claims that the ledger has
    records: tuple[Record, ...]  # all claims of the domain

    @property
    def heading(self) -> str:
        """The title as a heading."""
        return sentence(self.title.removeprefix("the "))

    @property
    def leads(self) -> tuple[Record, ...]:
        """The one or two claims that stand for the domain."""
        return tuple(record for record in (self.loss, self.remedy) if record is not None) or self.main[:1]

    @property
    def counts(self) -> list[tuple[Outcome, int]]:
        """Number of the domain's claims with each outcome."""
        return counts_of(self.records)


def findings_of(records: Sequence[Record]) -> list[Finding]:
    """The findings, in the order of ``HEADLINES``; domains without a headline come last."""
    domains: dict[str, list[Record]] = {headline.domain: [] for headline in HEADLINES}
    for record in records:
        domains.setdefault(str(record["domain"]), []).append(record)
    return [_finding(domain, part) for domain, part in domains.items() if part]


def _finding(domain: str, records: list[Record]) -> Finding:
    known = {str(record["id"]): record for record in records}
    headline = headline_of(domain, tuple(known))
    return Finding(
        domain,
        headline.title,
        headline.figure,
        known.get(headline.loss or ""),
        known.get(headline.remedy or ""),
        tuple(known[name] for name in headline.claims if name in known),
        tuple(records),
    )


def counts_of(records: Iterable[Record]) -> list[tuple[Outcome, int]]:
    """Number of claims with each outcome, of all outcomes."""
    counts = Counter(Outcome(record["verdict"]) for record in records)
    return [(outcome, counts[outcome]) for outcome in Outcome]


def seeds_of(record: Record) -> str:
    """Number of seeds, or of what else was counted, in words; empty if nothing was measured."""
    count, unit = int(record["seeds"]), str(record.get("unit", "seed"))
    return "" if not count else f"{count} {unit}{'' if count == 1 else 's'}"


def summary_of(findings: Sequence[Finding], scale: str) -> list[str]:
    """The findings in two or three sentences, generated from the verdicts.

    Args:
        findings: of all domains.
        scale: name of the scale, as it is shown.
    """
    records = [record for finding in findings for record in finding.records]
    if not records:
        return []
    parts = (
        (
            "That fine-tuning loses what π* knew is",
            [(finding.title, finding.loss) for finding in findings],
        ),
        (
            "That a method against forgetting does better is",
            [(finding.title, finding.remedy) for finding in findings],
        ),
    )
    said = [_by_verdict(start, leads) for start, leads in parts]
    counts = dict(counts_of(records))
    total = (
        f"Of {len(records)} claims of the paper, {scale} reproduces {counts[Outcome.REPRODUCED]}, "
        f"does not reproduce {counts[Outcome.NOT_REPRODUCED]}, leaves {counts[Outcome.UNDECIDED]} undecided "
        f"and cannot test {counts[Outcome.NOT_TESTABLE]}."
    )
    return [*(text for text in said if text), total]


def _by_verdict(start: str, leads: Sequence[tuple[str, Record | None]]) -> str:
    """One sentence: the start, then each verdict with its domains."""
    domains: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    for title, record in leads:
        if record is not None:
            domains[Outcome(record["verdict"])].append(title)
    found = [f"{outcome.words} on {listed(names)}" for outcome, names in domains.items() if names]
    return f"{start} {'; '.join(found)}." if found else ""


def listed(words: Sequence[str]) -> str:
    """Words with commas, and "and" before the last."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def prose(text: str) -> str:
    """Text of a claim as readers see it: pi* as π*."""
    return text.replace("pi*", "π*")
