"""What variants of a scale found, as the last part of the page of results."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fpc.claims.claim import Outcome
from fpc.figures.catalogue import figure_entry
from fpc.reporting.findings import Record, sentence
from fpc.reporting.markdown import Figures, claims_table, explained, text_of

COMMENT = re.compile(r"\A(?:# yaml-language-server:.*\n)?((?:# .*\n)+)")


@dataclass(frozen=True)
class VariantResults:
    """Published results of one variant."""

    name: str  # of its file in configs/variants, without .yaml
    label: str  # its folder in results/
    about: str  # what it is for
    figures: Figures
    names: tuple[str, ...]  # of its figures; those not drawn are left out
    records: tuple[Record, ...]  # its claims.json

    @property
    def pictures(self) -> list[str]:
        """Each figure that is there, as an image and its caption."""
        drawn = ((name, self.figures.drawn(name)) for name in self.names)
        return [f"{picture}\n\n*{text_of(figure_entry(name).caption)}*" for name, picture in drawn if picture]

    @property
    def own(self) -> list[Record]:
        """The claims about runs of the variant itself, not about those it shares."""
        folder = f"results/{self.label}/"
        return [
            record
            for record in self.records
            if any(str(path).startswith(folder) for path in record["tables"])
        ]


def about(text: str) -> str:
    """What a variant's file says of itself in the comment that it begins with; empty without one."""
    found = COMMENT.match(text)
    return " ".join(line.removeprefix("# ") for line in found[1].splitlines()) if found else ""


def variants_part(variants: Sequence[VariantResults]) -> Iterator[str]:
    """Blocks of Markdown: a heading, then each variant that tested a claim or drew a figure."""
    shown = [variant for variant in variants if variant.own or variant.pictures]
    if not shown:
        return
    yield "## Variants"
    yield (
        "A variant is one file in `configs/variants/` that changes the scale; it has its own ledger and "
        "report, and p is adjusted within it. Only claims about its own runs are listed."
    )
    for variant in shown:
        yield from _variant(variant)


def _variant(variant: VariantResults) -> Iterator[str]:
    yield f"### Variant `{variant.name}`"
    yield f"{variant.about}\n`results/{variant.label}/report.html` shows all of it.".strip()
    yield from variant.pictures
    records = variant.own
    if records:
        yield claims_table(records)
    # The table has the reason of what is not testable.
    said = Outcome.REPRODUCED, Outcome.NOT_TESTABLE
    if open_ := [record for record in records if record["verdict"] not in said]:
        yield "\n".join(
            f"- {sentence(Outcome(record['verdict']).words)}: {explained(record)}" for record in open_
        )
