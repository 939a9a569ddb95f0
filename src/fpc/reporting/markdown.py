"""What was found as Markdown: the page of results, and the opening of README and of the site's first page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fpc.claims.claim import Claim, Outcome
from fpc.figures.catalogue import figure_entry
from fpc.reporting.findings import Finding, Record, findings_of, prose, seeds_of, sentence, summary_of
from fpc.reporting.ledger import measured_text

FILM = "film_7"  # opens the first pages once it is there
FEW = 8  # claims with one reason that are listed by name; of more, only the number is given
LEVELS = "levels are compared at scale paper only"
NO_TABLES = re.compile(r"scale \S+ has no tables of ")

Statement = tuple[str, str, str]  # one that is not measured: what the paper says, where, and why not


@dataclass(frozen=True)
class Figures:
    """Where a page finds a scale's figures."""

    folder: Path
    link: str  # the folder as the page writes it

    def drawn(self, name: str) -> str:
        """The figure as an image; empty if it is not there."""
        if not name or not (self.folder / f"{name}.png").exists():
            return ""
        entry = figure_entry(name)
        return f"![{entry.title}. {entry.caption}]({self.link}/{name}.png)"


def opening(records: Sequence[Record], claims: Sequence[Claim], scale: str, figures: Figures) -> str:
    """The finding in a few sentences, a picture, and a table of the main claims.

    Args:
        records: of ``claims.json``.
        claims: as the code has them now.
        scale: name of the scale.
        figures: where the page finds them.
    """
    findings = findings_of(records)
    parts = [
        text_of(" ".join(summary_of(findings, f"scale `{scale}`"))),
        made_earlier(records, claims),
        _film(findings, figures),
        "\n".join(_overview(findings)),
    ]
    return "\n\n".join(part for part in parts if part)


def _film(findings: Sequence[Finding], figures: Figures) -> str:
    """The film if there is one, else the first domain's figure."""
    if (figures.folder / f"{FILM}.gif").exists():
        return f"![{figure_entry(FILM).title}]({figures.link}/{FILM}.gif)"
    pictures = [figures.drawn(finding.figure) for finding in findings]
    return f"<!-- the place of {FILM}.gif -->\n\n" + next(filter(None, pictures), "")


def _overview(findings: Sequence[Finding]) -> list[str]:
    """A table with one row per claim that stands for a domain."""
    lines = ["| domain | the paper | measured | verdict | claims |", "|---|---|---|---|---|"]
    for finding in findings:
        counts = " / ".join(str(count) for _, count in finding.counts)
        for index, record in enumerate(finding.leads):
            head = (finding.heading, counts) if index == 0 else ("", "")
            paper = f"{record['statement']} {record['paper_source']}: {record['paper_value']}"
            lines.append(_row(head[0], paper, _measured(record), _verdict(record), head[1]))
    words = " / ".join(outcome.words for outcome in Outcome)
    return [*lines, "", f"Claims: {words}. Numbers in brackets are intervals."]


def made_earlier(records: Sequence[Record], claims: Sequence[Claim]) -> str:
    """A note if the ledger was made by other rules than the code's; empty if they are the same."""
    rules = {claim.id: (claim.statement, claim.criterion) for claim in claims}
    other = sum(rules.get(record["id"]) != (record["statement"], record["criterion"]) for record in records)
    added = len(set(rules) - {record["id"] for record in records})
    if not other and not added:
        return ""
    return (
        f"These results were made by an earlier version: {other} of the {len(records)} claims have been "
        f"reworded or replaced since, and {added} added. They are kept until the scale is made again; "
        "`fpc audit verify` calls them stale."
    )


def results_page(
    records: Sequence[Record],
    claims: Sequence[Claim],
    scale: str,
    figures: Figures,
    unmeasured: Mapping[str, Sequence[Statement]],
) -> str:
    """The page of results: each domain's main claims and figure, then what is not reproduced, and why.

    Args:
        records: of ``claims.json``.
        claims: as the code has them now.
        scale: name of the scale.
        figures: where the page finds them.
        unmeasured: heading of a domain -> its statements without a claim; other headings come last.
    """
    findings = findings_of(records)
    blocks = [
        "# Results",
        "<!-- made by docs/generated.py: change the claims, or make the results again -->",
        text_of(" ".join(summary_of(findings, f"scale `{scale}`"))),
        made_earlier(records, claims),
        f"All claims are in `results/{scale}/claims.md`, and `results/{scale}/report.html` filters them. "
        "[Statistics](explanation/statistics.md#verdicts-about-claims) explains the verdicts, "
        "[Statements and claims](reference/claims.md) all rules, and "
        "[Deviations](explanation/deviations.md) what we do differently and what this scale cannot show.",
    ]
    for finding in findings:
        blocks += _domain(finding, scale, figures, unmeasured.get(finding.heading, ()))
    headings = {finding.heading for finding in findings}
    for heading, statements in unmeasured.items():
        if heading not in headings:
            blocks += [f"## {heading}", *_not_measured(statements)]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _domain(finding: Finding, scale: str, figures: Figures, unmeasured: Sequence[Statement]) -> Iterable[str]:
    """The blocks of one domain."""
    yield f"## {finding.heading}"
    yield sentence(", ".join(f"{count} {outcome.words}" for outcome, count in finding.counts)) + "."
    if picture := figures.drawn(finding.figure):
        yield picture
        yield f"*{text_of(figure_entry(finding.figure).caption)}*"
    yield claims_table(finding.main)
    for outcome in (Outcome.NOT_REPRODUCED, Outcome.UNDECIDED):
        if found := [record for record in finding.records if record["verdict"] == outcome]:
            yield f"### {finding.heading}: {outcome.words}"
            yield "\n".join(f"- {explained(record)}" for record in found)
    if found := [record for record in finding.records if record["verdict"] == Outcome.NOT_TESTABLE]:
        yield f"### {finding.heading}: {Outcome.NOT_TESTABLE.words} at this scale"
        yield "\n".join(_reasons(found, scale))
    yield from _not_measured(unmeasured)


def claims_table(records: Iterable[Record]) -> str:
    """A table with one row per claim: the paper beside what was measured."""
    table = ["| the paper | where | measured | seeds | verdict |", "|---|---|---|---|---|"]
    for record in records:
        where = f"{record['paper_source']}: {record['paper_value']}"
        cells = record["statement"], where, _measured(record), seeds_of(record), _verdict(record)
        table.append(_row(*cells))
    return "\n".join(table)


def explained(record: Record) -> str:
    """A claim with its rule and the reason for its verdict, as an item of a list."""
    return text_of(f"{record['statement']} {sentence(record['quantity'])}: {record['reason']}.")


def _reasons(records: Sequence[Record], scale: str) -> list[str]:
    """Claims that cannot be tested, by reason, as items of a list."""
    groups: dict[str, list[str]] = {}
    for record in records:
        groups.setdefault(_reason(record, scale), []).append(record["statement"])
    return [
        f"- {text_of(sentence(reason))}: {_few(statements)}"
        for reason, statements in sorted(groups.items(), key=lambda item: -len(item[1]))
    ]


def _reason(record: Record, scale: str) -> str:
    """The reason without what differs between claims of one kind."""
    reason = str(record["reason"])
    if LEVELS in reason:
        return "numbers are compared with the paper's at scale `paper` only"
    if NO_TABLES.match(reason):
        return f"variants that are not part of scale `{scale}`"
    return reason


def _few(statements: Sequence[str]) -> str:
    if len(statements) > FEW:
        return f"{len(statements)} claims."
    return text_of(" ".join(statements))


def _not_measured(statements: Sequence[Statement]) -> Iterable[str]:
    """The statements of the paper without a claim, with reasons; these are Markdown already."""
    if not statements:
        return
    yield "**Not measured**, and why:"
    lines = [f"- {statement} ({source}): {reason}" for statement, source, reason in statements]
    yield "\n".join(lines).replace("pi*", "π\\*")


def _measured(record: Record) -> str:
    """Quantity and number, or the reason why there is none."""
    found = measured_text(record["measured"], *record["interval"])
    return f"{record['quantity']}: {found}" if found else str(record["reason"])


def _verdict(record: Record) -> str:
    return Outcome(record["verdict"]).words


def _row(*cells: str) -> str:
    return "| " + " | ".join(text_of(cell) for cell in cells) + " |"


def text_of(text: str) -> str:
    """Plain text as Markdown, also in a table."""
    return re.sub(r"([*\\])", r"\\\1", prose(text)).replace("|", "&#124;").replace("<", "&lt;")
