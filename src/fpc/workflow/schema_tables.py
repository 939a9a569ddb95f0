"""Tables of Markdown from a JSON Schema: one per type, a row per key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Cell = Callable[[Mapping[str, Any], bool], str]
"""The text of one column, from a key's schema and whether the key is required."""

SIGNS = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}


def tables(schema: Mapping[str, Any], heading: str, columns: Mapping[str, Cell]) -> list[str]:
    """The table of ``schema``, then heading, description and table of each type that it uses.

    ``heading`` has ``{}`` for the type's name; ``columns`` are the headers after the key.
    """
    types = schema.get("$defs", {})
    parts = [_table(schema, types, columns)]
    for name, definition in types.items():
        if "properties" in definition:
            parts += [heading.format(name), definition.get("description", "")]
            parts.append(_table(definition, types, columns))
    return [part for part in parts if part]


def _table(definition: Mapping[str, Any], types: Mapping[str, Any], columns: Mapping[str, Cell]) -> str:
    head = ["| key | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    rows: list[list[str]] = []
    for key, value in definition.get("properties", {}).items():
        named = types.get(_name(value), {})
        # A type that lists words has no table of its own: they stand with the key.
        shown = {**named, **value} if "enum" in named else value
        rows.append(
            [f"`{key}`", *(cell(shown, key in definition.get("required", [])) for cell in columns.values())]
        )
    lines = ["| " + " | ".join(_escaped(cell) for cell in row) + " |" for row in rows]
    return "\n".join([*head, *lines])


def kind(value: Mapping[str, Any]) -> str:
    """What a value is; types with a table of their own by name."""
    if words(value):
        return "word"
    if "$ref" in value:
        return _name(value)
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(kind(choice) for choice in value["anyOf"]))
    if value.get("type") == "array":
        return f"list of {kind(value.get('items') or (value.get('prefixItems') or [{}])[0])}"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"mapping to {kind(value['additionalProperties'])}"
    return str(value.get("type", "any"))


def words(value: Mapping[str, Any]) -> str:
    """The words that a key allows; nothing if it allows others."""
    return ", ".join(f"`{word}`" for word in value.get("enum") or filter(None, [value.get("const")]))


def bounds(value: Mapping[str, Any]) -> str:
    """The bounds of a number, also where null is allowed."""
    parts = [value, *value.get("anyOf", [])]
    return ", ".join(f"{sign} {part[key]:g}" for part in parts for key, sign in SIGNS.items() if key in part)


def meaning(value: Mapping[str, Any]) -> str:
    """What the key's description says."""
    return str(value.get("description", ""))


def _name(value: Mapping[str, Any]) -> str:
    return str(value.get("$ref", "")).rsplit("/", 1)[-1]


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")
