"""Builds the entities of a crate's metadata, with ro-crate-py.

Files that are not packed are described by their digest, as creative works outside the crate.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from fpc.lineage.crate.contents import Contents, Item

VERSION = "1.1"  # of RO-Crate: the one that the profiles require
# The terms used from https://w3id.org/ro/terms/workflow-run/context, so readers fetch one context fewer.
TERMS = {
    term: f"https://w3id.org/ro/terms/workflow-run#{term}"
    for term in ("ParameterConnection", "connection", "sha256", "sourceParameter", "targetParameter")
}
FORMATS = {
    ".cff": "application/yaml",
    ".csv": "text/csv",
    ".html": "text/html",
    ".json": "application/json",
    ".md": "text/markdown",
    ".mp4": "video/mp4",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
    "manifest.json": "application/vnd.in-toto+json",  # but not its signature, manifest.dsse.json
    **dict.fromkeys(("Snakefile", "LICENSE", "Dockerfile", ".lock", ".smk", ".rst"), "text/plain"),
}


def format_of(name: str) -> str:
    """Media type of a file, from its name."""
    endings = [ending for ending in FORMATS if name.endswith(ending)]
    return FORMATS[max(endings, key=len)] if endings else "application/octet-stream"


def one(values: list[Any]) -> Any:
    """A list, or its only member: RO-Crate 1.1 advises against lists of one."""
    return values[0] if len(values) == 1 else values


def ids(identifiers: Iterable[str]) -> Any:
    """References to entities, without repetitions."""
    return one([{"@id": identifier} for identifier in dict.fromkeys(identifiers)])


class Graph:
    """The entities of a crate under construction."""

    def __init__(self, contents: Contents, citation: Mapping[str, Any], agent: str | None) -> None:
        from rocrate.rocrate import ROCrate

        self.contents = contents
        self.citation = citation
        self.agent = agent
        self.crate = ROCrate(version=VERSION)
        self.crate.metadata.extra_terms.update(TERMS)
        self.identifiers: dict[str, str] = {}  # file name -> @id
        self.examples: dict[str, list[str]] = {}  # parameter -> files and values passed for it

    def add(self, identifier: str, entity_type: str, **properties: Any) -> str:
        """Add an entity that is not a packed file; properties that are None or empty are left out."""
        from rocrate.model.contextentity import ContextEntity

        known = {name: value for name, value in properties.items() if value not in (None, [])}
        self.crate.add(ContextEntity(self.crate, identifier, {"@type": entity_type, **known}))
        return identifier

    def add_file(self, item: Item, **properties: Any) -> str:
        """Add a file, or, if it is not packed, a creative work with its digest."""
        known = {
            "name": item.name,
            "sha256": item.sha256,
            "contentSize": str(item.size),
            "encodingFormat": format_of(item.name),
            **{name: value for name, value in properties.items() if value is not None},
        }
        if item.source is None:
            identifier = self.add(f"#{item.name}", "CreativeWork", **known)
        else:
            identifier = str(self.crate.add_file(item.source, item.name, properties=known).id)
        self.identifiers[item.name] = identifier
        return identifier

    def add_example(self, parameter: str, identifier: str) -> None:
        """Record that a file or value was passed for a parameter of a tool or the workflow."""
        self.examples.setdefault(parameter, []).append(identifier)

    def set(self, identifier: str, **properties: Any) -> None:
        """Set properties of an entity added before."""
        entity = self.crate.dereference(identifier)
        for name, value in properties.items():
            if value not in (None, []):
                entity[name] = value

    @property
    def address(self) -> str | None:
        """Where the project is published, if CITATION.cff says so."""
        return self.citation.get("repository-code") or self.citation.get("url")
