"""The runs in a crate: the workflow, a step and a tool for each phase, an action for each manifest.

Follows Provenance Run Crate 0.5. The Snakefile is the workflow; `fpc <phase>` is a tool; edges between
phases are manifests, as in Snakemake's rules; a run's configuration section is a value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from fpc import __version__
from fpc.core.files import canonical_json
from fpc.lineage.ancestry import Ancestor
from fpc.lineage.artifact import PHASES
from fpc.lineage.crate.contents import Artifact, Contents
from fpc.lineage.crate.graph import Graph, ids
from fpc.lineage.origin import REQUIREMENTS

COMPLETED = "http://schema.org/CompletedActionStatus"
WORKFLOW = "Snakefile"
WORKFLOW_RUN = "#workflow-run"
WORKFLOW_PARAMETERS = {"configuration": "#workflow-configuration", "result": "#workflow-result"}
ENGINE = "https://snakemake.github.io"
BIOSCHEMAS = "https://bioschemas.org/profiles"


def add_runs(graph: Graph) -> None:
    """Add every run, then the workflow that they belong to."""
    contents = graph.contents
    edges = _edges(contents)
    for artifact in contents.artifacts.values():
        _add_run(graph, artifact)
    _add_workflow_run(graph)
    for position, phase in enumerate(_phases(contents), 1):
        _add_phase(graph, phase, position, edges[phase])
    _add_workflow(graph, edges)
    _add_parameters(graph)
    _add_engine(graph)
    actions = [WORKFLOW_RUN, *(f"#{artifact.name}" for artifact in contents.artifacts.values())]
    graph.crate.root_dataset["mentions"] = ids(actions)
    if graph.agent is not None:
        agent = ids([graph.add("#agent", "Person", name=graph.agent)])
        for action in [*actions, "#engine-run"]:
            graph.set(action, agent=agent)


def _phases(contents: Contents) -> list[str]:
    found = {artifact.manifest.run["phase"] for artifact in contents.artifacts.values()}
    return sorted(found, key=lambda phase: (PHASES.index(phase) if phase in PHASES else len(PHASES), phase))


def _edges(contents: Contents) -> dict[str, list[str]]:
    """Phase -> phases of the artifacts that its runs were made from."""
    found: dict[str, set[str]] = {phase: set() for phase in _phases(contents)}
    for artifact in contents.artifacts.values():
        parents = (contents.artifacts[uri] for uri in artifact.manifest.parents)
        found[artifact.manifest.run["phase"]] |= {parent.manifest.run["phase"] for parent in parents}
    return {phase: sorted(parents) for phase, parents in found.items()}


def _add_run(graph: Graph, artifact: Artifact) -> None:
    """One run of a phase: what it read, what it made, and when."""
    manifest, artifacts = artifact.manifest, graph.contents.artifacts
    phase, metadata = manifest.run["phase"], manifest.details["metadata"]
    manifest_id = graph.identifiers[artifact.item.name]
    graph.add_example(f"#{phase}-manifest", manifest_id)
    read = [_add_section(graph, artifact)]
    for uri in manifest.parents:
        parent = artifacts[uri]
        parent_id = graph.identifiers[parent.item.name]
        graph.add_example(f"#{phase}-from-{parent.manifest.run['phase']}", parent_id)
        read += [parent_id, *(graph.identifiers[item.name] for item in parent.files)]
    read += [_add_external(graph, address, digest) for address, digest in manifest.externals.items()]
    made = [manifest_id]
    for item in artifact.files:
        made.append(graph.identifiers[item.name])
        if item.source is not None:
            graph.add_example(f"#{phase}-files", graph.identifiers[item.name])
    graph.add(
        f"#{artifact.name}",
        "CreateAction",
        name=Ancestor(manifest.path, manifest).title,
        description=_history(manifest.details),
        instrument=ids([f"#fpc-{phase}"]),
        startTime=metadata.get("startedOn"),
        endTime=metadata["finishedOn"],
        actionStatus=COMPLETED,
        object=ids(read),
        result=ids(made),
    )
    graph.add(
        f"#control/{artifact.name}",
        "ControlAction",
        name=f"orchestrate {Ancestor(manifest.path, manifest).title}",
        instrument=ids([f"#step-{phase}"]),
        object=ids([f"#{artifact.name}"]),
    )


def _history(details: Mapping[str, Any]) -> str:
    """How it was made, as text: version of the code, attempts, seconds."""
    metadata, code = details["metadata"], details["builder"]["code"]
    words = [f"commit {code['commit']}"] if "commit" in code else []
    words += ["with uncommitted changes"] if "uncommitted_sha256" in code else []
    words += [f"Python {details['environment']['python']}"] if "python" in details["environment"] else []
    words += [f"{metadata['attempts']} attempt(s)"] if "attempts" in metadata else []
    words += [f"{metadata['seconds']} s"] if "seconds" in metadata else []
    return "; ".join(words) or "see the manifest"


def _add_section(graph: Graph, artifact: Artifact) -> str:
    """The resolved configuration section, as JSON whose sha256 the manifest names."""
    parameters = artifact.manifest.definition["externalParameters"]
    phase = artifact.manifest.run["phase"]
    identifier = f"#section/{phase}/{parameters['section_sha256']}"
    if graph.crate.dereference(identifier) is None:
        graph.add(
            identifier,
            "PropertyValue",
            name=f"configuration of {phase}",
            value=canonical_json(parameters["section"]),
            sha256=parameters["section_sha256"],
        )
        graph.add_example(f"#{phase}-configuration", identifier)
    return identifier


def _add_external(graph: Graph, address: str, digest: str) -> str:
    """An external input: its address and digest; it is never packed."""
    url = address if address.startswith(("http://", "https://")) else None
    return graph.add(f"#external/{digest}", "CreativeWork", name=address, url=url, sha256=digest)


def _add_workflow_run(graph: Graph) -> None:
    """The run of the whole workflow: from the configuration files to the requested artifacts."""
    contents = graph.contents
    histories = [artifact.manifest.details["metadata"] for artifact in contents.artifacts.values()]
    read = [graph.identifiers[item.name] for item in contents.configs]
    made = []
    for uri in contents.requested:
        artifact = contents.artifacts[uri]
        graph.add_example(WORKFLOW_PARAMETERS["result"], graph.identifiers[artifact.item.name])
        made += [graph.identifiers[item.name] for item in (artifact.item, *artifact.files)]
    for identifier in read:
        graph.add_example(WORKFLOW_PARAMETERS["configuration"], identifier)
    graph.add(
        WORKFLOW_RUN,
        "CreateAction",
        name="run of the workflow",
        description="From the start of the first run to the end of the last, including pauses.",
        instrument=ids([WORKFLOW]),
        startTime=min((one["startedOn"] for one in histories if "startedOn" in one), default=None),
        endTime=max(one["finishedOn"] for one in histories),
        actionStatus=COMPLETED,
        object=ids(read),
        result=ids(made),
    )


def _add_phase(graph: Graph, phase: str, position: int, parents: list[str]) -> None:
    """A tool and the workflow's step that calls it, with the connections into the step."""
    outputs = [name for name in (f"#{phase}-manifest", f"#{phase}-files") if name in graph.examples]
    sources = {f"#{phase}-configuration": WORKFLOW_PARAMETERS["configuration"]}
    sources |= {f"#{phase}-from-{parent}": f"#{parent}-manifest" for parent in parents}
    graph.add(
        f"#fpc-{phase}",
        "SoftwareApplication",
        name=f"fpc {phase}",
        softwareVersion=__version__,
        url=graph.address,
        input=ids(sources),
        output=ids(outputs),
    )
    graph.add(
        f"#step-{phase}",
        "HowToStep",
        name=phase,
        position=str(position),
        workExample=ids([f"#fpc-{phase}"]),
        connection=ids(_connection(graph, source, target) for target, source in sources.items()),
    )


def _connection(graph: Graph, source: str, target: str) -> str:
    """A connection that passes one parameter to another."""
    return graph.add(
        f"#connection/{source[1:]}/{target[1:]}",
        "ParameterConnection",
        name=f"{source[1:]} to {target[1:]}",
        sourceParameter=ids([source]),
        targetParameter=ids([target]),
    )


def _add_workflow(graph: Graph, edges: Mapping[str, list[str]]) -> None:
    """The Snakefile as a workflow: language, steps, tools, parameters."""
    from rocrate.model.computerlanguage import get_lang

    workflow = graph.crate.dereference(WORKFLOW)
    workflow["programmingLanguage"] = graph.crate.add(get_lang(graph.crate, "snakemake"))
    workflow["conformsTo"] = ids([f"{BIOSCHEMAS}/ComputationalWorkflow/1.0-RELEASE"])
    workflow["version"] = __version__
    workflow["hasPart"] = ids(f"#fpc-{phase}" for phase in edges)
    workflow["step"] = ids(f"#step-{phase}" for phase in edges)
    workflow["input"] = ids([WORKFLOW_PARAMETERS["configuration"]])
    workflow["output"] = ids([WORKFLOW_PARAMETERS["result"]])
    asked = {graph.contents.artifacts[uri].manifest.run["phase"] for uri in graph.contents.requested}
    results = [
        _connection(graph, f"#{phase}-manifest", WORKFLOW_PARAMETERS["result"]) for phase in sorted(asked)
    ]
    workflow["connection"] = ids(results)
    graph.set(WORKFLOW, url=graph.address)
    graph.crate.mainEntity = workflow


def _add_parameters(graph: Graph) -> None:
    """Every parameter that was given a value; the values refer to it."""
    works: dict[str, list[str]] = {}
    for parameter, examples in graph.examples.items():
        is_value = examples[0].startswith("#section/")
        graph.add(
            parameter,
            "FormalParameter",
            name=parameter[1:],
            additionalType="Text" if is_value else "File",
            conformsTo=ids([f"{BIOSCHEMAS}/FormalParameter/1.0-RELEASE"]),
        )
        for example in examples:
            works.setdefault(example, []).append(parameter)
    for example, parameters in works.items():
        graph.set(example, exampleOfWork=ids(parameters))


def _add_engine(graph: Graph) -> None:
    """Snakemake, in its locked version, and what it orchestrated."""
    text = REQUIREMENTS.read_text(encoding="utf-8") if REQUIREMENTS.is_file() else ""
    found = re.search(r"^snakemake==(\S+)", text, re.M)
    graph.add(
        ENGINE,
        "SoftwareApplication",
        name="Snakemake",
        softwareVersion=found[1] if found else None,
        url=ENGINE,
    )
    graph.add(
        "#engine-run",
        "OrganizeAction",
        name="run of Snakemake",
        instrument=ids([ENGINE]),
        object=ids(f"#control/{artifact.name}" for artifact in graph.contents.artifacts.values()),
        result=ids([WORKFLOW_RUN]),
    )
