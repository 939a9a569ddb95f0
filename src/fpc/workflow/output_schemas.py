"""JSON Schemas (draft 2020-12) of what commands print with ``--json``, made from the types that print it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from fpc.lineage.audit_report import AUDIT_SCHEMA, AuditReport
from fpc.workflow.schema_tables import Cell, kind, meaning, tables, words
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


def fields_tables() -> str:
    """Markdown: for each output its types, with a table of their keys."""
    columns: dict[str, Cell] = {
        "type": lambda value, required: kind(value).removesuffix(" or null"),  # None is left out
        "always": lambda value, required: "yes" if required else "no",
        "meaning": lambda value, required: f"{meaning(value)} {_one_of(value)}".strip(),
    }
    parts: list[str] = []
    for command, (identifier, model) in OUTPUTS.items():
        schema = output_schema(identifier, model)
        parts += [f"## {command}", *tables(schema, "### {}", columns)]
    return "\n\n".join(parts)


def _one_of(value: Mapping[str, Any]) -> str:
    return f"One of {words(value)}." if words(value) else ""
