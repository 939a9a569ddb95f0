"""The metadata of a crate and its files: ``ro-crate-metadata.json``.

Unknown values, such as the project's address or who ran it, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpc.lineage.crate.contents import SOURCE, Contents, CrateError
from fpc.lineage.crate.graph import Graph, ids
from fpc.lineage.crate.runs import add_runs

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/provenance/0.5": ("Provenance Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}


def describe(contents: Contents, agent: str | None = None) -> dict[str, Any]:
    """The content of ``ro-crate-metadata.json``; equal contents give equal metadata.

    Args:
        contents: from ``collect``.
        agent: name of the person who ran it, if that should be stated.

    Raises:
        CrateError: CITATION.cff cannot be read.
    """
    graph = Graph(contents, _citation(), agent)
    _add_root(graph)
    _add_files(graph)
    add_runs(graph)
    found: dict[str, Any] = graph.crate.metadata.generate()
    return found


def _citation() -> dict[str, Any]:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = Path("CITATION.cff")
    try:
        found = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
        _ = found["title"], found["license"], found["authors"][0]
    except (OSError, YAMLError, TypeError, KeyError, IndexError) as error:
        raise CrateError(f"{path}: needs title, license and authors ({error!r})") from error
    return dict(found)


def _add_root(graph: Graph) -> None:
    """The crate itself: profiles, title, authors, licence, date."""
    root, citation = graph.crate.root_dataset, graph.citation
    artifacts = graph.contents.artifacts.values()
    labels = sorted({artifact.manifest.run["label"] for artifact in artifacts})
    for identifier, (name, version) in PROFILES.items():
        graph.add(identifier, "CreativeWork", name=name, version=version)
    licence = graph.add(
        f"https://spdx.org/licenses/{citation['license']}",
        "CreativeWork",
        name=f"{citation['license']} licence",
    )
    authors = [_author(graph, number, author) for number, author in enumerate(citation["authors"], 1)]
    publishers = [name for name in authors if graph.crate.dereference(name).type == "Organization"]
    root["conformsTo"] = ids(PROFILES)
    graph.crate.metadata["conformsTo"] = ids([graph.crate.metadata.profile, list(PROFILES)[-1]])
    root["name"] = f"Results of scale {', '.join(labels)}: {citation['title']}"
    root["description"] = (
        f"{len(artifacts)} artifacts of the pipeline with everything they were made from: manifests (in-toto "
        "statements), tables, figures and claims, configuration, workflow and source. A manifest says what "
        "made its artifact; files that are not packed, such as weights, are listed here with their sha256."
    )
    root["license"] = ids([licence])
    root["author"] = ids(authors)
    root["datePublished"] = max(artifact.manifest.details["metadata"]["finishedOn"] for artifact in artifacts)
    if publishers:
        root["publisher"] = ids(publishers[:1])
    if (paper := citation.get("preferred-citation")) and "url" in paper:
        root["citation"] = ids([graph.add(paper["url"], "ScholarlyArticle", name=paper.get("title"))])


def _author(graph: Graph, number: int, author: Mapping[str, Any]) -> str:
    """A person or an organization from CITATION.cff."""
    identifier = author.get("orcid") or f"#author-{number}"
    if "name" in author:
        return graph.add(identifier, "Organization", name=author["name"], url=author.get("website"))
    names = [author[key] for key in ("given-names", "family-names") if key in author]
    affiliation = author.get("affiliation")
    if affiliation is not None:
        affiliation = ids([graph.add(f"#affiliation-{number}", "Organization", name=affiliation)])
    return graph.add(identifier, "Person", name=" ".join(names), affiliation=affiliation)


def _add_files(graph: Graph) -> None:
    """Every file, including those of the workflow."""
    from rocrate.model.computationalworkflow import ComputationalWorkflow

    for item in [*graph.contents.configs, *graph.contents.project]:
        if item.name == "Snakefile":
            known = {"@type": [*ComputationalWorkflow.TYPES, "HowTo"], "name": "FPC"}
            known |= {"sha256": item.sha256, "contentSize": str(item.size), "encodingFormat": "text/plain"}
            graph.crate.add(ComputationalWorkflow(graph.crate, item.source, item.name, properties=known))
        else:
            graph.add_file(item, about=ids(["./"]) if item.name == "README.md" else None)
    source = graph.crate.add_dataset(None, SOURCE)
    source["name"] = "fpc"
    source["description"] = (
        "The package at the time of export. Manifests name the digest of each module behind their artifact."
    )
    for artifact in graph.contents.artifacts.values():
        for item in artifact.files:
            graph.add_file(item, description=None if item.source else "Not packed; identified by its sha256.")
        manifest = graph.add_file(artifact.item, description=f"Manifest of {artifact.name}")
        if artifact.signature is not None:
            graph.add_file(artifact.signature, about=ids([manifest]))
