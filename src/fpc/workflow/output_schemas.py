"""JSON Schemas (draft 2020-12) of what commands print with ``--json``, made from the types that print it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fpc.lineage.audit_report import AUDIT_SCHEMA, AuditReport
from fpc.workflow.status_report import STATUS_SCHEMA, StatusReport

FOLDER = Path("docs/reference/schemas")
DRAFT = "https://json-schema.org/draft/2020-12/schema"
OUTPUTS: dict[str, tuple[str, type[BaseModel]]] = {
    "fpc status --json": (STATUS_SCHEMA, StatusReport),
    "fpc audit verify --json": (AUDIT_SCHEMA, AuditReport),
}


def as_json(report: BaseModel) -> str:
    """A report on one line: keys by their printed names, None left out."""
    return report.model_dump_json(by_alias=True, exclude_none=True)


def output_schema(identifier: str, model: type[BaseModel]) -> dict[str, Any]:
    """The schema of one output; unknown keys are allowed, since later ones may be added within a version."""
    found = model.model_json_schema(mode="serialization")
    return {"$schema": DRAFT, "$id": identifier, **found}


def schema_files() -> dict[Path, str]:
    """Path (relative to the project) and text of each schema's file."""
    return {
        FOLDER / f"{identifier.split(':')[2]}.schema.json": text_of(output_schema(identifier, model))
        for identifier, model in OUTPUTS.values()
    }


def text_of(schema: dict[str, Any]) -> str:
    """A schema as indented JSON."""
    return json.dumps(schema, indent=2) + "\n"


def fields_table() -> list[str]:
    """Lines of Markdown: for each output its types, with a table of key, type and meaning."""
    lines: list[str] = []
    for command, (identifier, model) in OUTPUTS.items():
        schema = output_schema(identifier, model)
        definitions = schema.get("$defs", {})
        lines += [f"## {command}", "", f"`schema` is `{identifier}`.", "", *_table(schema, definitions), ""]
        for name, definition in definitions.items():
            if "properties" in definition:
                table = _table(definition, definitions)
                lines += [f"### {name}", "", definition["description"], "", *table, ""]
    return lines[:-1]


def _table(definition: dict[str, Any], definitions: dict[str, Any]) -> list[str]:
    required = definition.get("required", [])
    rows = ["| key | type | always | meaning |", "|---|---|---|---|"]
    for key, value in definition["properties"].items():
        named = definitions.get(value.get("$ref", "").rsplit("/", 1)[-1], value)
        words = ", ".join(f"`{word}`" for word in named.get("enum", []))
        meaning = " ".join(filter(None, [value.get("description"), words and f"One of {words}."]))
        kind = "word" if words else _type(value)
        rows.append(f"| `{key}` | {kind} | {'yes' if key in required else 'no'} | {meaning} |")
    return rows


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return str(value["$ref"].rsplit("/", 1)[1])
    if "anyOf" in value:
        return " or ".join(dict.fromkeys(_type(item) for item in value["anyOf"] if item != {"type": "null"}))
    if value.get("type") == "array":
        return f"list of {_type(value['items'])}"
    return "text" if value.get("type") == "string" else str(value.get("type"))
