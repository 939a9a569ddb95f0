"""The ancestry of an artifact: as a text tree, as JSON, and as an image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fpc.core.errors import ConfigError
from fpc.core.files import sha256_of, write_text, write_with
from fpc.lineage.ancestry import Ancestor, ancestry
from fpc.lineage.artifact import PHASES
from fpc.lineage.digests import SHORT
from fpc.lineage.verdict import ACCEPTABLE, Finding, Verdict
from fpc.lineage.verify import Audit

PICTURES = (".svg", ".png", ".dot")
ORDER = ("external", *PHASES)  # from left to right, in the order of the work
Boxes = dict[tuple[str, ...], list[int]]
"""Box (phase, experiment, method, name) -> seeds of its runs."""


def judged(root: Path, audit: Audit) -> tuple[dict[Path, Ancestor], dict[Path, Finding]]:
    """The ancestry of an artifact, and the audit's finding on each that has a manifest.

    Args:
        root: the artifact's manifest.
        audit: quick or deep, with the known configurations.
    """
    found = ancestry(root)
    findings = {path: audit.finding(path) for path, item in found.items() if item.manifest is not None}
    audit.digests.save()
    return found, findings


def is_sound(found: Mapping[Path, Ancestor], findings: Mapping[Path, Finding]) -> bool:
    """Whether every ancestor has a manifest and is verified, absent, behind or missing."""
    sound = (*ACCEPTABLE, Verdict.MISSING)
    return all(path in findings and findings[path].verdict in sound for path in found)


def tree_text(root: Path, found: Mapping[Path, Ancestor], findings: Mapping[Path, Finding]) -> str:
    """The ancestry as a tree: title, verdict, digests, seed, commit and duration of each artifact.

    An artifact with several children is shown in full only once.

    Args:
        root: the artifact's manifest.
        found: its ancestry.
        findings: the audit's findings on them.
    """
    facts = {path: _facts(item, findings.get(path)) for path, item in found.items()}
    return "\n".join(_lines(root, found, facts, set(), "", ""))


def _lines(
    path: Path,
    found: Mapping[Path, Ancestor],
    facts: Mapping[Path, str],
    seen: set[Path],
    before: str,
    indent: str,
) -> Iterator[str]:
    ancestor = found[path]
    again = path in seen
    yield f"{before}{ancestor.title}  {'(above)' if again else facts[path]}".rstrip()
    if again:
        return
    seen.add(path)
    below: list[str | Path] = [*_externals(ancestor), *ancestor.parents]
    for number, item in enumerate(below, start=1):
        last = number == len(below)
        branch, deeper = indent + ("`- " if last else "|- "), indent + ("   " if last else "|  ")
        if isinstance(item, str):
            yield branch + item
        else:
            yield from _lines(item, found, facts, seen, branch, deeper)


def _externals(ancestor: Ancestor) -> list[str]:
    if ancestor.manifest is None:
        return []
    return [f"external {uri}  sha256 {sha[:SHORT]}" for uri, sha in ancestor.manifest.externals.items()]


def _facts(ancestor: Ancestor, finding: Finding | None) -> str:
    if ancestor.manifest is None or finding is None:
        return f"[{ancestor.problem}]"
    facts = facts_of(ancestor)
    mild = finding.verdict in (*ACCEPTABLE, Verdict.MISSING)
    parts = [str(finding.verdict) if mild else f"{finding.verdict} ({finding.reasons[0]})"]
    parts += [f"manifest {facts['sha256'][:SHORT]}", f"config {facts['config_sha256'][:SHORT]}"]
    parts += [f"commit {facts['commit'][:SHORT]}{'+' * facts['uncommitted']}"] if "commit" in facts else []
    parts += [f"{facts['seconds']:,.0f} s"] if "seconds" in facts else []
    parts += [f"{facts['attempts']} attempts"] if facts.get("attempts", 1) > 1 else []
    return "  ".join(parts)


def facts_of(ancestor: Ancestor) -> dict[str, Any]:
    """How an artifact was made, as JSON values; unknown values are left out.

    Raises:
        ValueError: its manifest cannot be read.
    """
    manifest = ancestor.manifest
    if manifest is None:
        raise ValueError(ancestor.problem)
    code, metadata = manifest.details["builder"]["code"], manifest.details["metadata"]
    facts: dict[str, Any] = {
        "artifact": ancestor.path.as_posix(),
        "title": ancestor.title,
        "run": dict(manifest.run),
        "sha256": sha256_of(ancestor.path),
        "config_sha256": manifest.section_digest,
        "files": manifest.subjects,
        "parents": manifest.parents,
        "externals": manifest.externals,
        "uncommitted": "uncommitted_sha256" in code,
        "commit": code.get("commit"),
    }
    facts |= {key: metadata.get(key) for key in ("seconds", "steps", "attempts", "startedOn", "finishedOn")}
    return {key: value for key, value in facts.items() if value is not None}


def as_json(found: Mapping[Path, Ancestor], findings: Mapping[Path, Finding]) -> list[dict[str, Any]]:
    """Every artifact of an ancestry, in order, with how it was made and the audit's finding."""
    return [
        {**facts_of(item), "verdict": findings[path].verdict, "reasons": findings[path].reasons}
        if path in findings
        else {"artifact": path.as_posix(), "problem": item.problem}
        for path, item in found.items()
    ]


def draw(found: Mapping[Path, Ancestor], output: Path) -> None:
    """Draw an ancestry as an image; runs that differ only in the seed share a box.

    Args:
        found: the ancestry.
        output: ``.svg``, ``.png`` or, for Graphviz, ``.dot``.

    Raises:
        ConfigError: the suffix is none of these.
    """
    if output.suffix not in PICTURES:
        raise ConfigError(f"{output}: the image's suffix must be one of {', '.join(PICTURES)}")
    boxes, arrows = _boxes(found)
    caption = _caption(found)
    if output.suffix == ".dot":
        write_text(output, _dot(boxes, arrows, caption))
    else:
        from fpc.core.plotting import own_settings

        with own_settings():
            _plot(boxes, arrows, caption, output)


def _box_of(ancestor: Ancestor) -> tuple[str, ...]:
    """Phase, then experiment, method and name where present."""
    if ancestor.manifest is None:
        return ("unknown", ancestor.path.as_posix())
    run = ancestor.manifest.run
    return (str(run["phase"]), *(str(run[key]) for key in ("experiment", "method", "name") if key in run))


def _boxes(found: Mapping[Path, Ancestor]) -> tuple[Boxes, set[tuple[Any, Any]]]:
    """The seeds of the runs in each box, and the arrows between boxes."""
    boxes: Boxes = {}
    for ancestor in found.values():
        seeds = () if ancestor.manifest is None else ancestor.manifest.run.get("seeds", ())
        boxes.setdefault(_box_of(ancestor), []).extend(seeds)
    arrows = {(_box_of(found[parent]), _box_of(item)) for item in found.values() for parent in item.parents}
    for ancestor in found.values():
        for uri, digest in ({} if ancestor.manifest is None else ancestor.manifest.externals).items():
            box = ("external", uri.rsplit("/", 1)[-1], digest[:SHORT])
            boxes.setdefault(box, [])
            arrows.add((box, _box_of(ancestor)))
    return boxes, arrows


def _caption(found: Mapping[Path, Ancestor]) -> str:
    """The artifact that the image shows."""
    root = next(iter(found.values()))
    if root.manifest is None:
        return root.title
    return f"{root.title}, scale {root.manifest.run['label']}, manifest {sha256_of(root.path)[:SHORT]}"


def _label(box: tuple[str, ...], seeds: Iterable[int]) -> str:
    words = [box[0], *(word for word in box[1:] if word != box[0])]
    numbers = sorted(set(seeds))
    if not numbers:
        return "\n".join(words)
    whole = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1))
    listed = f"{numbers[0]}-{numbers[-1]}" if whole else ", ".join(map(str, numbers))
    return "\n".join([*words, f"seed{'s' * (len(numbers) > 1)} {listed}"])


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _dot(boxes: Boxes, arrows: set[tuple[Any, Any]], caption: str) -> str:
    numbers = {box: f"box{number}" for number, box in enumerate(sorted(boxes))}
    lines = ["digraph ancestry {", f"  rankdir=LR; label={_quoted(caption)}; node [shape=box];"]
    lines += [f"  {number} [label={_quoted(_label(box, boxes[box]))}];" for box, number in numbers.items()]
    lines += sorted(f"  {numbers[start]} -> {numbers[end]};" for start, end in arrows)
    return "\n".join([*lines, "}", ""])


def _has_detour(start: Any, end: Any, arrows: set[tuple[Any, Any]]) -> bool:
    """Whether another path leads through a box between them; such arrows are drawn faintly."""
    return any((stop, end) in arrows for begin, stop in arrows if begin == start)


def _plot(boxes: Boxes, arrows: set[tuple[Any, Any]], caption: str, output: Path) -> None:
    """Draw a column of boxes for each phase, from left to right, with lines between them."""
    from matplotlib.figure import Figure

    others = sorted({box[0] for box in boxes} - {*ORDER})
    phases = [phase for phase in (*ORDER, *others) if any(box[0] == phase for box in boxes)]
    columns = {phase: sorted(box for box in boxes if box[0] == phase) for phase in phases}
    tallest = max(len(column) for column in columns.values())
    figure = Figure(figsize=(2.6 * len(phases), 1.3 + 0.75 * tallest))
    figure.text(0.01, 0.01, f"{caption}. Dotted: also made from this directly.", fontsize=7, color="#555555")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-0.6, len(phases) - 0.4)
    axes.set_ylim(-tallest / 2 - 0.2, tallest / 2 + 0.2)
    positions = {
        box: (x, (len(column) - 1) / 2 - y)
        for x, column in enumerate(columns.values())
        for y, box in enumerate(column)
    }
    for box, position in positions.items():
        axes.text(
            *position, _label(box, boxes[box]), ha="center", va="center", fontsize=8, bbox=BOX, zorder=2
        )
    for start, end in sorted(arrows):
        style = SHORTCUT if _has_detour(start, end, arrows) else DIRECT
        axes.annotate("", positions[end], positions[start], arrowprops=style, zorder=1)
    write_with(output, lambda path: figure.savefig(path, format=output.suffix[1:], dpi=150))


BOX = {"boxstyle": "round,pad=0.4", "facecolor": "#eef3f8", "edgecolor": "#446688", "linewidth": 0.8}
DIRECT = {"arrowstyle": "-", "linewidth": 0.8, "color": "#446688"}
SHORTCUT = {
    **DIRECT,
    "linestyle": ":",
    "linewidth": 0.6,
    "color": "#b0b8c0",
    "connectionstyle": "arc3,rad=0.12",
}
