"""An export is a Provenance Run Crate that the profile's validator accepts, with all that was made."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from requests_cache import CachedSession
from rocrate.rocrate import ROCrate
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings
from typer.testing import CliRunner
from urllib3 import HTTPResponse

from fpc.cli.main import app
from fpc.lineage.crate import export as crates
from fpc.lineage.crate.contents import CrateError
from fpc.lineage.crate.export import METADATA
from fpc.lineage.signing import make_key, read_private_key, sign
from fpc.workflow.dvc_pipeline import configuration_files
from fpc.workflow.loader import load
from fpc.workflow.phases.claims import claims
from fpc.workflow.phases.report import report
from fpc.workflow.run_table import closing_row, figure_row
from tests.lineage.conftest import EVALUATE, PRETRAIN, ROOT, make_chain

# The context of RO-Crate 1.1 (public domain, CC0): the validator reads it, and tests have no network.
export = partial(crates.export, configuration_files=configuration_files)
CONTEXT = Path(__file__).parent / "data" / "ro-crate-1.1-context.jsonld"
CONTEXT_ADDRESS = "https://w3id.org/ro/crate/1.1/context"
REPORT = Path("results/tiny/report.manifest.json")
FULL_CITATION = """
title: "FPC: a test"
license: MIT
repository-code: https://example.org/fpc
authors:
  - {name: FPC contributors, website: "https://example.org"}
"""
# Cannot be met: Workflow RO-Crate requires the workflow to be a file of the crate, and a phase has no URL.
CONTRADICTED = "The SoftwareApplication id SHOULD be an absolute URI"

Validate = Callable[[Path, Severity], set[str]]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the chain, its claims and its report."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "workflow", folder / "workflow", symlinks=True)
    for name in ("Snakefile", "CITATION.cff", "LICENSE", "requirements.lock", "README.md"):
        shutil.copy(ROOT / name, folder / name)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        configuration = make_chain()
        claims(configuration)
        report(configuration)
    return folder


@pytest.fixture
def made(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the project as the current folder."""
    shutil.copytree(project, tmp_path / "project", symlinks=True)
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


class _Context(BaseAdapter):
    """Serves the context from its file."""

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        assert request.url == CONTEXT_ADDRESS
        headers = {"Content-Type": "application/ld+json"}
        raw = HTTPResponse(BytesIO(CONTEXT.read_bytes()), headers, 200, preload_content=False)
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Validate:
    """The real validator, with the context cached: messages on requirements that a crate does not meet."""
    cache = tmp_path_factory.mktemp("cache") / "http"
    with CachedSession(str(cache), backend="sqlite") as session:
        session.mount("https://", _Context())
        assert session.get(CONTEXT_ADDRESS).ok

    def check(crate: Path, severity: Severity) -> set[str]:
        settings = ValidationSettings(
            rocrate_uri=str(crate),
            profile_identifier="provenance-run-crate",
            requirement_severity=severity,
            offline=True,
            cache_path=str(cache),
        )
        result = services.validate(settings)
        assert result.passed(severity) == (not result.get_issues(severity))
        return {str(issue.message) for issue in result.get_issues(severity)}

    return check


def graph(crate: Path) -> dict[str, dict[str, Any]]:
    with zipfile.ZipFile(crate) as archive:
        return {entity["@id"]: entity for entity in json.loads(archive.read(METADATA))["@graph"]}


def refusal(*words: str) -> str:
    """The one clear error of ``fpc audit export ...``."""
    finished = CliRunner().invoke(app, ["audit", "export", *words])
    assert finished.exit_code != 0
    return str(finished.exception)


@pytest.mark.usefixtures("made")
def test_the_validator_accepts_an_export(validate: Validate, tmp_path: Path) -> None:
    finished = CliRunner().invoke(app, ["audit", "export", str(tmp_path / "a.zip"), "--scale", "tiny"])
    assert finished.exit_code == 0, finished.output
    assert "7 artifacts" in finished.output
    assert validate(tmp_path / "a.zip", Severity.REQUIRED) == set()


def test_all_recommendations_are_met_once_the_project_says_who_and_where(
    made: Path, validate: Validate, tmp_path: Path
) -> None:
    (made / "CITATION.cff").write_text(FULL_CITATION, encoding="utf-8")
    export(tmp_path / "a.zip", [REPORT], agent="Ada Lovelace")
    assert validate(tmp_path / "a.zip", Severity.RECOMMENDED) == {CONTRADICTED}


@pytest.mark.usefixtures("made")
def test_the_validator_refuses_a_crate_without_a_tool_or_a_file(validate: Validate, tmp_path: Path) -> None:
    export(tmp_path / "a.zip", [REPORT])
    with zipfile.ZipFile(tmp_path / "a.zip") as whole, zipfile.ZipFile(tmp_path / "b.zip", "w") as broken:
        for name in whole.namelist():
            content = whole.read(name)
            if name == METADATA:
                metadata = json.loads(content)
                for entity in metadata["@graph"]:
                    entity.pop("instrument", None)
                content = json.dumps(metadata).encode()
            if name != "results/tiny/claims.md":
                broken.writestr(name, content)
    found = validate(tmp_path / "b.zip", Severity.REQUIRED)
    assert any("instrument" in message for message in found)
    assert any("results/tiny/claims.md" in message for message in found)


@pytest.mark.usefixtures("made")
def test_a_crate_says_what_was_made_from_what(tmp_path: Path) -> None:
    export(tmp_path / "a.zip", [REPORT])
    entities = graph(tmp_path / "a.zip")
    action = entities["#results/tiny/two_state_mdp/evaluate/vanilla/seed_0"]
    assert action["instrument"] == {"@id": "#fpc-evaluate"}
    assert action["startTime"] < action["endTime"]
    read = {item["@id"] for item in action["object"]}
    assert PRETRAIN.manifest.as_posix() in read
    (section,) = (item for item in read if item.startswith("#section/"))
    value = entities[section]
    assert hashlib.sha256(value["value"].encode()).hexdigest() == value["sha256"]
    made = {item["@id"] for item in action["result"]}
    assert {path.as_posix() for path in EVALUATE.folder.rglob("*") if path.is_file()} == made
    connection = entities["#connection/evaluate-manifest/figure-from-evaluate"]
    assert connection in [entities[one["@id"]] for one in entities["#step-figure"]["connection"]]
    assert {one["@id"] for one in entities["#workflow-run"]["object"]} == {
        "configs/paper.yaml",
        "configs/tiny.yaml",
    }


@pytest.mark.usefixtures("made")
def test_files_of_a_crate_are_those_it_names_and_another_reader_finds_them(tmp_path: Path) -> None:
    export(tmp_path / "a.zip", [REPORT])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        names = set(archive.namelist())
        for entity in graph(tmp_path / "a.zip").values():
            if "File" in entity["@type"]:
                assert hashlib.sha256(archive.read(entity["@id"])).hexdigest() == entity["sha256"]
                assert int(entity["contentSize"]) == archive.getinfo(entity["@id"]).file_size
                names.remove(entity["@id"])
    assert {name.split("/")[0] for name in names} == {METADATA, "src"}
    assert "src/fpc/workflow/phases/finetune.py" in names
    read = ROCrate(tmp_path / "a.zip")
    assert read.mainEntity.id == "Snakefile"
    assert len(read.get_by_type("CreateAction")) == 8


@pytest.mark.usefixtures("made")
def test_weights_are_packed_on_demand_and_otherwise_described_by_digest(
    validate: Validate, tmp_path: Path
) -> None:
    weights = (PRETRAIN.folder / "policy.safetensors").as_posix()
    export(tmp_path / "with.zip", [REPORT], weights=True)
    assert weights in zipfile.ZipFile(tmp_path / "with.zip").namelist()
    assert validate(tmp_path / "with.zip", Severity.REQUIRED) == set()
    digest = graph(tmp_path / "with.zip")[weights]["sha256"]
    Path(weights).unlink()
    export(tmp_path / "without.zip", [REPORT])
    assert weights not in zipfile.ZipFile(tmp_path / "without.zip").namelist()
    work = graph(tmp_path / "without.zip")[f"#{weights}"]
    assert work["@type"] == "CreativeWork"
    assert work["sha256"] == digest
    assert f"{weights} is named by its manifest but is not here" in refusal(
        str(tmp_path / "c.zip"), REPORT.as_posix(), "--weights"
    )
    assert not (tmp_path / "c.zip").exists()


def test_the_same_content_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    export(tmp_path / "a.zip", [REPORT])
    for path in made.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.touch()
    export(tmp_path / "b.zip", [REPORT])
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


@pytest.mark.usefixtures("made")
def test_one_figure_takes_its_ancestors_and_signatures_with_it(validate: Validate, tmp_path: Path) -> None:
    row = figure_row(load("tiny"), "figure_9")
    make_key(tmp_path / "key")
    sign(row.manifest, read_private_key(tmp_path / "key"))
    svg = row.folder / "figure_9.svg"
    finished = CliRunner().invoke(app, ["audit", "export", str(tmp_path / "a.zip"), str(svg)])
    assert finished.exit_code == 0, finished.output
    names = zipfile.ZipFile(tmp_path / "a.zip").namelist()
    assert svg.as_posix() in names
    assert "results/tiny/figures/figure_9.manifest.dsse.json" in names
    assert PRETRAIN.manifest.as_posix() in names
    assert "results/tiny/claims.json" not in names
    assert validate(tmp_path / "a.zip", Severity.REQUIRED) == set()


@pytest.mark.usefixtures("made")
def test_an_altered_file_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    target = tmp_path / "a.zip"
    table = EVALUATE.folder / "episodes.parquet"
    content = bytearray(table.read_bytes())
    content[len(content) // 2] ^= 1
    table.write_bytes(content)
    with pytest.raises(CrateError, match=r"episodes\.parquet is not the file that was made"):
        export(target, [REPORT])
    assert "tampered" in refusal(str(target), "--scale", "tiny")
    assert "is not the file that was made" in refusal(str(target), "--scale", "tiny", "--force")
    assert not target.exists()
    assert not list(tmp_path.glob(".a.zip*"))


@pytest.mark.usefixtures("made")
def test_an_altered_manifest_or_another_parent_is_refused(tmp_path: Path) -> None:
    text = PRETRAIN.manifest.read_text(encoding="utf-8")
    PRETRAIN.manifest.write_text(text.replace("two_state_mdp", "three_state_mdp", 1), encoding="utf-8")
    with pytest.raises(CrateError, match="does not match its own digest"):
        export(tmp_path / "a.zip", [PRETRAIN.manifest])
    statement = json.loads(text)
    del statement["statement_sha256"]
    PRETRAIN.manifest.write_text(json.dumps(statement), encoding="utf-8")
    with pytest.raises(CrateError, match="is not the one it was made from"):
        export(tmp_path / "a.zip", [REPORT])


def test_stale_artifacts_are_packed_only_with_force(made: Path, tmp_path: Path) -> None:
    path = made / "configs" / "tiny.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("two_state_mdp:\n", "two_state_mdp:\n    pretrain: {updates: 7}\n", 1), encoding="utf-8"
    )
    words = [str(tmp_path / "a.zip"), "--scale", "tiny"]
    assert "its configuration section has changed" in refusal(*words)
    finished = CliRunner().invoke(app, ["audit", "export", *words, "--force"])
    assert finished.exit_code == 0, finished.output


def test_wrong_usage_is_one_clear_error(made: Path, tmp_path: Path) -> None:
    report_file = closing_row(load("tiny"), "report").folder / "report.html"
    before = report_file.read_bytes()
    assert "ends with .zip" in refusal(str(report_file))
    assert report_file.read_bytes() == before
    target = str(tmp_path / "a.zip")
    assert "results/tiny/nothing: does not exist" in refusal(target, "results/tiny/nothing")
    assert "no manifest names it" in refusal(target, "configs/tiny.yaml")
    assert "no manifest would name this file" in refusal("results/tiny/a.zip", "--scale", "tiny")
    assert "scale demo has no report; make it, or give --scale (scales with a report: tiny)" in refusal(
        target
    )
    (made / "CITATION.cff").write_text("title: [", encoding="utf-8")
    assert "CITATION.cff: needs title, license and authors" in refusal(target, "--scale", "tiny")
    (made / "CITATION.cff").unlink()
    assert "CITATION.cff is missing" in refusal(target, "--scale", "tiny")
    assert not Path(target).exists()
