"""Describes how two artifacts, and the ways they were made, differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fpc.core.renamed import with_new_names
from fpc.lineage import origin
from fpc.lineage.digests import SHORT
from fpc.lineage.manifest import Manifest


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested mappings by their dotted key; lists are leaves."""
    if not isinstance(value, Mapping):
        return {prefix: list(value) if isinstance(value, tuple) else value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= flat(item, f"{prefix}.{key}" if prefix else str(key))
    return found


def differences(first: Manifest, second: Manifest) -> dict[str, list[str]]:
    """Part (run, configuration, ...) -> a sentence for each difference; equal parts are left out."""
    parts = {
        "run": _mapping(first.run, second.run),
        "configuration": _mapping(_section(first), _section(second)),
        "inputs": _digests(_inputs(first), _inputs(second)),
        "code": _code(first, second),
        "environment": _mapping(first.details["environment"], second.details["environment"]),
        "machine": _mapping(first.details.get("machine", {}), second.details.get("machine", {})),
        "files": _digests(first.subjects, second.subjects),
    }
    return {part: found for part, lines in parts.items() if (found := list(lines))}


def diff_text(first: Manifest, second: Manifest) -> str:
    """The differences as text; the last part says whether the files are the same."""
    found = differences(first, second)
    lines = [f"A  {first.path}", f"B  {second.path}"]
    for part, sentences in found.items():
        lines += [f"{part}:", *(f"  {sentence}" for sentence in sentences)]
    if "files" not in found:
        made = "Made the same way" if len(found) == 0 else "Made differently"
        lines.append(f"{made}; every file has the same content.")
    return "\n".join(lines)


def _section(manifest: Manifest) -> Mapping[str, Any]:
    section: Mapping[str, Any] = with_new_names(manifest.definition["externalParameters"]["section"])
    return section


def changes(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> Iterator[tuple[str, list[Any], list[Any]]]:
    """For every leaf that differs: its dotted key, and the value on each side (a list of one, or empty)."""
    one, other = flat(first), flat(second)
    for key in sorted(one.keys() | other.keys()):
        values = [[side[key]] if key in side else [] for side in (one, other)]
        if values[0] != values[1]:
            yield key, values[0], values[1]


def _mapping(first: Mapping[str, Any], second: Mapping[str, Any]) -> Iterator[str]:
    for key, one, other in changes(first, second):
        parts = [f"{_shown(value)} in {name}" for name, side in (("A", one), ("B", other)) for value in side]
        lacking = ("" if one else ", not in A") + ("" if other else ", not in B")
        yield f"{key}: {', '.join(parts)}{lacking}"


def _shown(value: Any) -> str:
    text = str(value)
    return text[:SHORT] if isinstance(value, str) and len(text) == 64 else text


def _inputs(manifest: Manifest) -> dict[str, str]:
    return {**manifest.parents, **manifest.externals}


def _digests(first: Mapping[str, str], second: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(first.keys() | second.keys()):
        one, other = first.get(name), second.get(name)
        if one is None or other is None:
            yield f"{name} only in {'A' if other is None else 'B'}"
        elif one != other:
            yield f"{name} differs: {one[:SHORT]} in A, {other[:SHORT]} in B"


def _code(first: Manifest, second: Manifest) -> Iterator[str]:
    one, other = (manifest.details["builder"]["code"] for manifest in (first, second))
    for key in ("commit", "uncommitted_sha256"):
        yield from _mapping({key: one[key]} if key in one else {}, {key: other[key]} if key in other else {})
    modules = [
        {name: digest for name, digest in code["modules"].items() if origin.decides(name)}
        for code in (one, other)
    ]
    yield from _digests(*modules)
