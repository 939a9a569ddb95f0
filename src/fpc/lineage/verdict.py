"""Verdicts on an artifact, and findings with their reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from fpc.core.file_errors import remedy_of

SHOWN = 3  # names listed in a reason


class Verdict(StrEnum):
    """The verdict on an artifact, from best to worst."""

    VERIFIED = "verified"
    ABSENT = "absent"  # current; files are not here by design: DVC has a record of them, or they are not kept
    BEHIND = "behind"  # only code or environment changed since
    MISSING = "missing"  # not made, or files named by the manifest are gone
    STALE = "stale"  # configuration or an input changed since
    UNVERIFIED = "unverified"  # it cannot be known: no manifest names a file, or one cannot be read
    TAMPERED = "tampered"  # content does not match the manifest


SEVERITY = {verdict: rank for rank, verdict in enumerate(Verdict)}
ACCEPTABLE = (Verdict.VERIFIED, Verdict.ABSENT, Verdict.BEHIND)
Check = Iterator[tuple[Verdict, str]]


@dataclass(frozen=True)
class HeavyFiles:
    """Numbers of files that git does not hold: weights, recordings, expert data.

    ``here``: kept by DVC, and here. ``to_fetch``: not here; DVC has a record of them. ``not_kept``: not here;
    the configuration says that they are not kept.
    """

    here: int = 0
    to_fetch: int = 0
    not_kept: int = 0


@dataclass(frozen=True)
class Finding:
    """The verdict on one artifact with all its reasons, those of the worst verdict first.

    ``inherited``: the only problem is what it was made from. ``heavy``: what is here of its weights and data.
    """

    artifact: Path
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    inherited: bool = False
    heavy: HeavyFiles = HeavyFiles()

    @property
    def is_current(self) -> bool:
        """Whether it is what would be made now (changes of code aside)."""
        return self.verdict in ACCEPTABLE

    def with_reasons(self, found: Iterable[tuple[Verdict, str]]) -> Finding:
        """The finding with more reasons added; its verdict is the worst of them."""
        reasons = [*((self.verdict, reason) for reason in self.reasons), *found]
        reasons.sort(key=lambda item: -SEVERITY[item[0]])
        words = tuple(reason for _, reason in reasons)
        if not reasons or SEVERITY[reasons[0][0]] <= SEVERITY[self.verdict]:
            return replace(self, reasons=words)
        return replace(self, verdict=reasons[0][0], reasons=words, inherited=False)

    def with_parents(self, parents: Iterable[Finding]) -> Finding:
        """The finding combined with its parents': it is not current if one of them is not."""
        wrong = [parent for parent in parents if not parent.is_current]
        if not wrong or self.verdict == Verdict.TAMPERED:
            return self
        reasons = tuple(f"parent {parent.artifact} is {parent.verdict}" for parent in wrong)
        found = {parent.verdict for parent in wrong}
        verdict = Verdict.STALE
        if found <= {Verdict.MISSING, Verdict.UNVERIFIED}:
            verdict = max(found, key=SEVERITY.__getitem__)
        if SEVERITY[verdict] <= SEVERITY[self.verdict]:
            return replace(self, reasons=self.reasons + reasons)
        return replace(self, verdict=verdict, reasons=reasons + self.reasons, inherited=self.is_current)

    def when_complete(self) -> Finding:
        """The finding if every file that DVC keeps has to be here: then those to be fetched are missing."""
        if not self.is_current or not self.heavy.to_fetch:
            return self
        reason = f"files to fetch: {self.heavy.to_fetch} (dvc pull)"
        return replace(self, verdict=Verdict.MISSING, reasons=(reason, *self.reasons))


def unreadable(name: object, error: OSError) -> tuple[Verdict, str]:
    """The verdict on something that cannot be read, which says nothing about its content."""
    if isinstance(error, FileNotFoundError):  # a job is replacing it
        return Verdict.MISSING, f"{name} is not here any more"
    return Verdict.UNVERIFIED, f"{name} cannot be read: {remedy_of(error) or error}"


def named(names: Sequence[str]) -> str:
    """The names, or, if there are many, their number and the first few."""
    if len(names) <= SHOWN:
        return ", ".join(names)
    return f"{len(names)} files ({', '.join(names[:SHOWN])}, ...)"
