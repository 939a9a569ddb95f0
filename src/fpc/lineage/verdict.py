"""What can be said of one artifact: verdicts, and findings with their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

SHOWN = 3  # of many names in a reason


class Verdict(StrEnum):
    """What is said of an artifact, worst last."""

    VERIFIED = "verified"
    ABSENT = "absent"  # current; files that DVC keeps are not here, and dvc.lock records them
    BEHIND = "behind"  # only code or environment moved since
    MISSING = "missing"  # not made, or files named by the manifest are gone
    STALE = "stale"  # configuration or an input changed since
    UNVERIFIED = "unverified"  # files without a manifest
    TAMPERED = "tampered"  # content is not what the manifest says


SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}
ACCEPTABLE = (Verdict.VERIFIED, Verdict.ABSENT, Verdict.BEHIND)
Check = Iterator[tuple[Verdict, str]]


@dataclass(frozen=True)
class Finding:
    """The verdict on one artifact, with every reason, those of the worst verdict first.

    ``inherited``: nothing is wrong with it but what it was made from.
    """

    artifact: Path
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    inherited: bool = False

    @property
    def is_current(self) -> bool:
        """Whether it is what would be made now."""
        return self.verdict in ACCEPTABLE

    def with_reasons(self, found: Iterable[tuple[Verdict, str]]) -> Finding:
        """The finding with more reasons, as bad as the worst of them."""
        reasons = [*((self.verdict, reason) for reason in self.reasons), *found]
        reasons.sort(key=lambda item: -SEVERITY[item[0]])
        words = tuple(reason for _, reason in reasons)
        if not reasons or SEVERITY[reasons[0][0]] <= SEVERITY[self.verdict]:
            return replace(self, reasons=words)
        return Finding(self.artifact, reasons[0][0], words)

    def with_parents(self, parents: Iterable[Finding]) -> Finding:
        """The finding with what it inherits: it is not current where something it was made from is not."""
        wrong = [parent for parent in parents if not parent.is_current]
        if not wrong or self.verdict == Verdict.TAMPERED:
            return self
        reasons = tuple(f"parent {parent.artifact} is {parent.verdict}" for parent in wrong)
        missing = all(parent.verdict == Verdict.MISSING for parent in wrong)
        verdict = Verdict.MISSING if missing else Verdict.STALE
        if SEVERITY[verdict] <= SEVERITY[self.verdict]:
            return replace(self, reasons=self.reasons + reasons)
        return Finding(self.artifact, verdict, reasons + self.reasons, inherited=self.is_current)


def named(names: Sequence[str]) -> str:
    """The names, or how many they are with the first few."""
    if len(names) <= SHOWN:
        return ", ".join(names)
    return f"{len(names)} files ({', '.join(names[:SHOWN])}, ...)"
