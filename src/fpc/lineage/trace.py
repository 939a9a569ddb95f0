"""The ancestry of an artifact to read: as a tree of text, as JSON, and as a picture."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fpc.config.errors import ConfigError
from fpc.config.root import PHASES
from fpc.files import sha256_of, write_text, write_with
from fpc.lineage.ancestry import Ancestor, ancestry
from fpc.lineage.digests import SHORT

PICTURES = (".svg", ".png", ".dot")
# From left to right, as work goes.
ORDER = ("external", *PHASES)


def tree_text(root: Path) -> str:
    """The ancestry as a tree: what each artifact is, its digests, seed, commit and duration.

    An artifact that several were made from is spelt out once.

    Args:
        root: the artifact's manifest.
    """
    found = ancestry(root)
    return "\n".join(_lines(root, found, set(), "", ""))


def _lines(
    path: Path, found: Mapping[Path, Ancestor], seen: set[Path], before: str, indent: str
) -> Iterator[str]:
    ancestor = found[path]
    again = path in seen
    yield f"{before}{ancestor.title}  {'(above)' if again else _facts(ancestor)}".rstrip()
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
            yield from _lines(item, found, seen, branch, deeper)


def _externals(ancestor: Ancestor) -> list[str]:
    if ancestor.manifest is None:
        return []
    return [f"external {uri}  sha256 {sha[:SHORT]}" for uri, sha in ancestor.manifest.externals.items()]


def _facts(ancestor: Ancestor) -> str:
    if ancestor.manifest is None:
        return f"[{ancestor.problem}]"
    facts = facts_of(ancestor)
    parts = [f"manifest {facts['sha256'][:SHORT]}", f"config {facts['config_sha256'][:SHORT]}"]
    parts += [f"commit {facts['commit'][:SHORT]}{'+' * facts['uncommitted']}"] if "commit" in facts else []
    parts += [f"{facts['seconds']:,.0f} s"] if "seconds" in facts else []
    parts += [f"{facts['steps']:,} steps"] if "steps" in facts else []
    parts += [f"{facts['attempts']} attempts"] if facts.get("attempts", 1) > 1 else []
    return "  ".join(parts)


def facts_of(ancestor: Ancestor) -> dict[str, Any]:
    """What made an artifact, as JSON values; what is not known is left out.

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


def as_json(root: Path) -> list[dict[str, Any]]:
    """Every artifact of the ancestry, ``root`` first, with what made it."""
    return [
        facts_of(item) if item.manifest else {"artifact": item.path.as_posix(), "problem": item.problem}
        for item in ancestry(root).values()
    ]


def draw(root: Path, output: Path) -> None:
    """Draw the ancestry as a picture; runs that differ in nothing but the seed are one box.

    Args:
        root: the artifact's manifest.
        output: ``.svg``, ``.png`` or, for Graphviz, ``.dot``.

    Raises:
        ConfigError: another ending.
    """
    if output.suffix not in PICTURES:
        raise ConfigError(f"{output}: a picture ends in {', '.join(PICTURES)}")
    boxes, arrows = _boxes(ancestry(root))
    if output.suffix == ".dot":
        write_text(output, _dot(boxes, arrows))
    else:
        _plot(boxes, arrows, output)


def _box_of(ancestor: Ancestor) -> tuple[str, ...]:
    """Phase, then what the box is of."""
    if ancestor.manifest is None:
        return ("unknown", ancestor.path.as_posix())
    run = ancestor.manifest.run
    return (str(run["phase"]), *(str(run[key]) for key in ("experiment", "method", "name") if key in run))


def _boxes(found: Mapping[Path, Ancestor]) -> tuple[Counter[tuple[str, ...]], set[tuple[Any, Any]]]:
    """How many artifacts each box stands for, and the arrows between boxes."""
    boxes = Counter(_box_of(ancestor) for ancestor in found.values())
    arrows = {(_box_of(found[parent]), _box_of(item)) for item in found.values() for parent in item.parents}
    for ancestor in found.values():
        for uri, digest in ({} if ancestor.manifest is None else ancestor.manifest.externals).items():
            box = ("external", uri.rsplit("/", 1)[-1], digest[:SHORT])
            boxes[box] += 1
            arrows.add((box, _box_of(ancestor)))
    return boxes, arrows


def _label(box: tuple[str, ...], count: int) -> str:
    words = [box[0], *(word for word in box[1:] if word != box[0])]
    return "\n".join([*words, *([f"{count} runs"] if count > 1 else [])])


def _dot(boxes: Mapping[tuple[str, ...], int], arrows: set[tuple[Any, Any]]) -> str:
    numbers = {box: f"box{number}" for number, box in enumerate(sorted(boxes))}
    lines = ["digraph ancestry {", "  rankdir=LR; node [shape=box];"]
    for box, number in numbers.items():
        label = _label(box, boxes[box]).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        lines.append(f'  {number} [label="{label}"];')
    lines += sorted(f"  {numbers[start]} -> {numbers[end]};" for start, end in arrows)
    return "\n".join([*lines, "}", ""])


def _goes_round(start: Any, end: Any, arrows: set[tuple[Any, Any]]) -> bool:
    """Whether there is also a way with a stop between; such arrows are drawn faintly."""
    return any((stop, end) in arrows for begin, stop in arrows if begin == start)


def _plot(boxes: Mapping[tuple[str, ...], int], arrows: set[tuple[Any, Any]], output: Path) -> None:
    """Columns of boxes by phase, from left to right, lines between them."""
    from matplotlib.figure import Figure

    others = sorted({box[0] for box in boxes} - {*ORDER})
    phases = [phase for phase in (*ORDER, *others) if any(box[0] == phase for box in boxes)]
    columns = {phase: sorted(box for box in boxes if box[0] == phase) for phase in phases}
    tallest = max(len(column) for column in columns.values())
    figure = Figure(figsize=(2.6 * len(phases), 1.0 + 0.75 * tallest))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(-0.6, len(phases) - 0.4)
    axes.set_ylim(-tallest / 2 - 0.2, tallest / 2 + 0.2)
    places = {
        box: (x, (len(column) - 1) / 2 - y)
        for x, column in enumerate(columns.values())
        for y, box in enumerate(column)
    }
    for box, place in places.items():
        axes.text(*place, _label(box, boxes[box]), ha="center", va="center", fontsize=8, bbox=BOX, zorder=2)
    for start, end in sorted(arrows):
        style = ROUNDABOUT if _goes_round(start, end, arrows) else DIRECT
        axes.annotate("", places[end], places[start], arrowprops=style, zorder=1)
    write_with(output, lambda path: figure.savefig(path, format=output.suffix[1:], dpi=150))


BOX = {"boxstyle": "round,pad=0.4", "facecolor": "#eef3f8", "edgecolor": "#446688", "linewidth": 0.8}
DIRECT = {"arrowstyle": "-", "linewidth": 0.8, "color": "#446688"}
ROUNDABOUT = {
    **DIRECT,
    "linestyle": ":",
    "linewidth": 0.6,
    "color": "#b0b8c0",
    "connectionstyle": "arc3,rad=0.12",
}
