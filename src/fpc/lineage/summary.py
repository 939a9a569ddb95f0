"""The findings of an audit as text."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from fpc.lineage.verdict import ACCEPTABLE, SEVERITY, Finding, Verdict, named

SHOWN = 10  # artifacts listed with the same reasons


def as_text(findings: list[Finding]) -> str:
    """A line for each artifact with a problem, worst first, then the counts.

    Artifacts that are not current only because of their parents share one line; missing ones share one
    line for each phase of an experiment. If weights or data are absent, their files are counted at the end.
    """
    wrong = sorted(findings, key=lambda item: (-SEVERITY[item.verdict], item.inherited, item.artifact))
    own = [item for item in wrong if not item.inherited]
    lines = [*_each([item for item in own if item.verdict not in (*ACCEPTABLE, Verdict.MISSING)])]
    lines += _inherited([item for item in wrong if item.inherited])
    lines += _missing([item for item in own if item.verdict == Verdict.MISSING])
    counts = Counter(item.verdict for item in findings)
    words = [f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]]
    return "\n".join([*lines, ", ".join(words) or "nothing found", *_heavy(findings)])


def _heavy(findings: list[Finding]) -> Iterator[str]:
    """How much of weights and data is here, unless all of it is."""
    here, to_fetch, not_kept = (
        sum(getattr(item.heavy, name) for item in findings) for name in ("here", "to_fetch", "not_kept")
    )
    if to_fetch or not_kept:
        words = [f"{here} here"]
        words += [f"{to_fetch} to fetch (dvc pull)"] if to_fetch else []
        words += [f"{not_kept} not kept (`record` in the configuration)"] if not_kept else []
        yield f"files of weights and data: {', '.join(words)}"


def _line(item: Finding, reasons: Iterable[str]) -> str:
    return f"{item.verdict:<11} {item.artifact}: {'; '.join(reasons)}"


def _each(findings: list[Finding]) -> Iterator[str]:
    """One line per artifact; of many with the same reasons, only the first ones."""
    counts = Counter[str]()
    for item in findings:
        text = "; ".join(item.reasons)
        counts[text] += 1
        if counts[text] <= SHOWN:
            yield _line(item, item.reasons)
    for text, count in counts.items():
        if count > SHOWN:
            yield f"and {count - SHOWN} more: {text} (--json lists them all)"


def _inherited(findings: list[Finding]) -> Iterator[str]:
    if len(findings) == 1:
        yield _line(findings[0], findings[0].reasons)
    elif findings:
        names = named([str(item.artifact) for item in findings])
        yield f"{findings[0].verdict:<11} made from something that is not current: {names}"


def _missing(findings: list[Finding]) -> Iterator[str]:
    """Missing artifacts and files by phase of an experiment (results, scale, experiment, phase)."""
    groups = defaultdict(list)
    for item in findings:
        parts = item.artifact.parts
        groups["/".join(parts[:4] if len(parts) > 4 else parts[:-1])].append(item)
    for folder, group in groups.items():
        if len(group) == 1:
            yield _line(group[0], group[0].reasons[:1])
        else:
            first = group[0].artifact.relative_to(folder).as_posix()
            words = f"{first.removesuffix('/manifest.json')}: {group[0].reasons[0]}"
            yield f"{Verdict.MISSING:<11} {folder}: {len(group)} artifacts, such as {words}"
