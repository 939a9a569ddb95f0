"""Made from the types: the JSON schema, the reference page, and the resolved configuration as YAML."""

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
from fpc.workflow.loader import BASE, load

SCHEMA = Path("configs/schema.json")
REFERENCE = Path("docs/reference/configuration.md")


def as_yaml(configuration: Configuration) -> str:
    """The whole configuration, overlays applied and defaults filled in."""
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
            for key in ("figure", "claims", "report", "plan")
        },
    }
    stream = io.StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.dump(content, stream)
    return stream.getvalue()


def schema() -> dict[str, Any]:
    """JSON schema of the files in ``configs/``, for editors: a part of a configuration, as overlays hold it.

    Each key has its type, bounds and meaning; none is required, and unknown ones are errors. What only the
    whole can tell (that nothing is missing, that values fit together) is for the loader.
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
        keys["extends"] = {"type": "string", "description": "Experiment whose values are taken first."}
        keys["method_options"] |= {"anyOf": [_choice(options_of), {"type": "null"}]}
    root = definitions.pop(references[Root, "validation"]["$ref"].rsplit("/", 1)[1])
    root["properties"]["experiments"] |= {
        "properties": {name: of_domain[value.domain] for name, value in load(BASE).experiments.items()},
        "additionalProperties": {"anyOf": list(of_domain.values())},
    }
    domains = {method: _choice(dict.fromkeys(of_domain, option)) for method, option in options_of.items()}
    root["properties"]["methods"] |= _choice(domains)
    return {**root, "$defs": definitions}


def _choice(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _remove_titles(definition: dict[str, Any]) -> None:
    definition.pop("title", None)
    for value in definition.get("properties", {}).values():
        value.pop("title", None)


def schema_text() -> str:
    """The schema as a file, each type on a line of its own."""
    whole = schema()
    types = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in whole.pop("$defs").items()]
    root = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in whole.items()]
    return "{\n" + ",\n".join([*root, '"$defs": {\n' + ",\n".join(types) + "\n}"]) + "\n}\n"


def reference() -> str:
    """The configuration reference as Markdown: every section, key, type, bounds and meaning."""
    parts = [
        "# Configuration reference",
        "Made from the types that validate `configs/` by `fpc config reference`; do not edit. Values and their "
        "sources stand in `configs/paper.yaml`. Editors with a YAML language server complete and check these files "
        "as they are written: the first line of each names `configs/schema.json`, made from the same types.",
        _section("Top level", Root),
    ]
    for domain in domain_names():
        parts.append(_section(f"Experiments of {domain}", experiment_type(domain)))
    for method in method_names():
        parts.append(_section(f"Options of {method}", load_method(method).Options))
    return "\n\n".join(parts) + "\n"


def _section(title: str, model: type[BaseModel]) -> str:
    whole = model.model_json_schema()
    definitions = whole.pop("$defs", {})
    text = [f"## {title}", _table(whole)]
    for name, definition in definitions.items():
        if "properties" in definition:
            text += [f"### {title}: {name}", definition.get("description", ""), _table(definition)]
    return "\n\n".join(part for part in text if part)


def _table(definition: dict[str, Any]) -> str:
    lines = ["| key | type | allowed | default | meaning |", "|---|---|---|---|---|"]
    required = definition.get("required", [])
    for key, value in definition.get("properties", {}).items():
        default = "required" if key in required else f"`{json.dumps(value.get('default'))}`"
        cells = [f"`{key}`", _type(value), _allowed(value), default, value.get("description", "")]
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines)


def _type(value: dict[str, Any]) -> str:
    if "$ref" in value:
        return f"section {value['$ref'].rsplit('/', 1)[1]}"
    if "anyOf" in value:
        return " or ".join(_type(choice) for choice in value["anyOf"])
    if value.get("type") == "array":
        inner = value.get("items") or (value.get("prefixItems") or [{}])[0]
        return f"list of {_type(inner)}"
    if value.get("type") == "object" and isinstance(value.get("additionalProperties"), dict):
        return f"mapping to {_type(value['additionalProperties'])}"
    if "const" in value or "enum" in value:
        return "word"
    return str(value.get("type", "any"))


def _allowed(value: dict[str, Any]) -> str:
    words = value.get("enum") or ([value["const"]] if "const" in value else [])
    if words:
        return ", ".join(f"`{word}`" for word in words)
    signs = {"exclusiveMinimum": ">", "minimum": ">=", "exclusiveMaximum": "<", "maximum": "<="}
    parts = [value, *value.get("anyOf", [])]
    bounds = [f"{sign} {part[key]:g}" for part in parts for key, sign in signs.items() if key in part]
    return ", ".join(bounds)


def write_reference() -> list[Path]:
    """Write both files; returns their paths."""
    write_text(SCHEMA, schema_text())
    write_text(REFERENCE, reference())
    return [SCHEMA, REFERENCE]
