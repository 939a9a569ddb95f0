"""Generated from the types: the JSON schema, the reference page, and the resolved configuration as YAML."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from ruamel.yaml import YAML

from fpc.core.files import write_text
from fpc.domains.registry import domain_names, experiment_type
from fpc.retention.registry import load_method, method_names
from fpc.workflow.configuration import Configuration, Root
from fpc.workflow.consistency import BASE
from fpc.workflow.loader import load
from fpc.workflow.schema_tables import Cell, bounds, kind, meaning, tables, words

SCHEMA = Path("configs/schema.json")
REFERENCE = Path("docs/reference/configuration.md")


def as_yaml(configuration: Configuration) -> str:
    """The whole configuration, with overlays applied and defaults filled in."""
    content = {
        "scale": configuration.scale,
        "experiments": {
            name: value.model_dump(mode="json") for name, value in configuration.experiments.items()
        },
        "methods": {
            name: {domain: options.model_dump(mode="json") for domain, options in value.items()}
            for name, value in configuration.methods.items()
        },
        **{
            key: getattr(configuration, key).model_dump(mode="json")
            for key in ("figure", "claims", "report", "plan", "record")
        },
    }
    stream = io.StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.dump(content, stream)
    return stream.getvalue()


def schema() -> dict[str, Any]:
    """JSON schema of the files in ``configs/``, for editors.

    A file may be an overlay, so no key is required. Each key has its type, bounds and meaning; unknown keys
    are errors. The loader checks what needs the whole configuration: missing values, and consistency.
    """
    experiments = {domain: experiment_type(domain) for domain in domain_names()}
    options = {method: load_method(method).Options for method in method_names()}
    types: list[type[BaseModel]] = [Root, *experiments.values(), *options.values()]
    references, whole = models_json_schema([(model, "validation") for model in types])
    definitions = whole["$defs"]
    for definition in definitions.values():
        definition.pop("required", None)
        _remove_titles(definition)
    options_of = {method: references[options[method], "validation"] for method in options}
    of_domain = {domain: references[model, "validation"] for domain, model in experiments.items()}
    for reference_to in of_domain.values():
        keys = definitions[reference_to["$ref"].rsplit("/", 1)[1]]["properties"]
        keys["extends"] = {"type": "string", "description": "Experiment to inherit values from."}
        keys["method_options"] |= {"anyOf": [_choice(options_of), {"type": "null"}]}
    root = definitions.pop(references[Root, "validation"]["$ref"].rsplit("/", 1)[1])
    root["properties"]["experiments"] |= {
        "properties": {name: of_domain[value.domain] for name, value in load(BASE).experiments.items()},
    }
    domains = {
        method: {"type": "object", "properties": dict.fromkeys(of_domain, option)}
        for method, option in options_of.items()
    }
    root["properties"]["methods"] |= {"properties": domains}
    # A file with extensions may have methods and domains of its own, about which nothing is known here.
    root["properties"]["experiments"]["additionalProperties"] = True
    known = {
        "methods": {
            "properties": dict.fromkeys(domains, _choice(dict.fromkeys(of_domain, True))),
            "additionalProperties": False,
        },
        "experiments": {
            "properties": dict.fromkeys(root["properties"]["experiments"]["properties"], True),
            "additionalProperties": {"anyOf": list(of_domain.values())},
        },
    }
    unless = {"if": {"required": ["extensions"]}, "then": {}, "else": {"properties": known}}
    return {**root, **unless, "$defs": definitions}


def _choice(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _remove_titles(definition: dict[str, Any]) -> None:
    definition.pop("title", None)
    for value in definition.get("properties", {}).values():
        value.pop("title", None)


def schema_text() -> str:
    """The schema as text, with one type per line."""
    whole = schema()
    types = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in whole.pop("$defs").items()]
    root = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in whole.items()]
    return "{\n" + ",\n".join([*root, '"$defs": {\n' + ",\n".join(types) + "\n}"]) + "\n}\n"


def reference() -> str:
    """The configuration reference as Markdown: every section, key, type, bounds and meaning."""
    parts = [
        "# Configuration reference",
        "Generated by `fpc config reference` from the types that validate `configs/`; do not edit. Values "
        "and their sources are in `configs/paper.yaml`. Editors with a YAML language server complete and "
        "check these files as you type: the first line of each names `configs/schema.json`, which is "
        "generated from the same types.",
        _section("Top level", Root),
    ]
    for domain in domain_names():
        parts.append(_section(f"Experiments of {domain}", experiment_type(domain)))
    for method in method_names():
        parts.append(_section(f"Options of {method}", load_method(method).Options))
    return "\n\n".join(parts) + "\n"


def _section(title: str, model: type[BaseModel]) -> str:
    columns: dict[str, Cell] = {
        "type": lambda value, required: kind(value),
        "allowed": lambda value, required: words(value) or bounds(value),
        "default": lambda value, required: (
            "required" if required else f"`{json.dumps(value.get('default'))}`"
        ),
        "meaning": lambda value, required: meaning(value),
    }
    return "\n\n".join([f"## {title}", *tables(model.model_json_schema(), f"### {title}: {{}}", columns)])


def write_reference() -> list[Path]:
    """Write both files; returns their paths."""
    write_text(SCHEMA, schema_text())
    write_text(REFERENCE, reference())
    return [SCHEMA, REFERENCE]
