"""What is printed with --json matches the published schemas, which match the types."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from fpc.lineage.artifact import Row
from fpc.lineage.audit_report import audit_report
from fpc.lineage.verdict import Finding, HeavyFiles, Verdict
from fpc.workflow.loader import load
from fpc.workflow.output_schemas import FOLDER, as_json, schema_files
from fpc.workflow.phases.pretrain import pretrain
from fpc.workflow.run import open_run
from fpc.workflow.run_table import section_of
from fpc.workflow.status import RunState
from fpc.workflow.status_report import status_report
from tests.cli.test_cli import fpc

ROOT = Path(__file__).resolve().parents[2]
ROW = Row("tiny", "finetune", "two_state_mdp", "vanilla", (0,))


def published(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((ROOT / FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    return schema


def check(name: str, text: str) -> dict[str, Any]:
    """The output, parsed, after validation against the published schema."""
    schema = published(name)
    Draft202012Validator.check_schema(schema)
    content: dict[str, Any] = json.loads(text, parse_constant=pytest.fail)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    assert [error.message for error in validator.iter_errors(content)] == []
    assert content["schema"] == schema["$id"] == f"urn:fpc:{name}:v1"
    assert content.keys() == schema["properties"].keys()
    return content


def test_the_files_are_made_from_the_types() -> None:
    for path, text in schema_files().items():
        assert (ROOT / path).read_text(encoding="utf-8") == text, "run `python docs/generated.py`"
    assert {path.name for path in (ROOT / FOLDER).iterdir()} == {path.name for path in schema_files()}


def test_status_and_audit_of_a_project(project: Path) -> None:
    """Some runs waiting, one made, one failed, one tampered with."""
    configuration = load("tiny")
    pretrain(configuration, "two_state_mdp", (0,))
    made = fpc("status", "--scale=tiny", "--json", folder=project)
    content = check("status", made.stdout)
    assert (made.returncode, content["label"]) == (0, "tiny")
    states = {item["phase"]: item for item in content["runs"]}
    assert (states["pretrain"]["state"], states["collect"]["state"]) == ("done", "waiting")
    assert states["pretrain"]["seeds"] == [0]
    assert "method" not in states["pretrain"], "keys without a value are left out"
    assert states["figure"]["name"] == "figure_9"

    missing = fpc("audit", "verify", "--scale=tiny", "--json", folder=project)
    verdicts = {Path(item["artifact"]): item for item in check("audit", missing.stdout)["findings"]}
    assert missing.returncode == 3
    pi_star = Path("results/tiny/two_state_mdp/pretrain/seed_0/manifest.json")
    assert (verdicts[pi_star]["verdict"], verdicts[pi_star]["heavy_files"]["here"]) == ("verified", 1)
    assert sorted({item["verdict"] for item in verdicts.values()}) == ["missing", "verified"]

    (pi_star.parent / "training.parquet").write_bytes(b"another")
    tampered = fpc("audit", "verify", str(pi_star.parent), "--json", folder=project)
    (found,) = check("audit", tampered.stdout)["findings"]
    assert (tampered.returncode, found["verdict"]) == (1, "tampered")
    assert found["reasons"]

    wrong = fpc("audit", "verify", "--scale=other", "--json", folder=project)
    assert (wrong.returncode, wrong.stdout) == (2, "")


def test_every_value_that_a_run_can_have_is_in_the_schema() -> None:
    full = RunState(
        ROW, "failed", 1, 2, 3.5, 0.1, 4, float("nan"), "2026-01-01T00:00:00+00:00", "end", "there"
    )
    (run,) = check("status", as_json(status_report("tiny", [full])))["runs"]
    assert run.keys() == published("status")["$defs"]["RunReport"]["properties"].keys() - {"name"}
    assert run["last_return"] is None, "NaN is not JSON"


def test_every_verdict_is_in_the_schema() -> None:
    findings = [Finding(Path("a"), verdict, ("why",), heavy=HeavyFiles(1, 2, 3)) for verdict in Verdict]
    found = check("audit", as_json(audit_report(findings)))["findings"]
    assert [item["verdict"] for item in found] == [str(verdict) for verdict in Verdict]
    assert found[0]["heavy_files"] == {"here": 1, "to_fetch": 2, "not_kept": 3}


def test_an_undocumented_state_would_be_refused() -> None:
    content = json.loads(as_json(status_report("tiny", [RunState(ROW, "waiting")])))
    content["runs"][0]["state"] = "asleep"
    assert not Draft202012Validator(published("status")).is_valid(content)


def test_a_failed_run_is_described(project: Path) -> None:
    configuration = load("tiny")
    row = Row("tiny", "pretrain", "two_state_mdp", seeds=(0,))

    def fail() -> None:
        with open_run(row, section_of(configuration, row), []) as run:
            run.report(50, 200, **{"return": 2.0})
            raise RuntimeError("no room")

    with pytest.raises(RuntimeError):
        fail()
    printed = check("status", fpc("status", "--scale=tiny", "--json", folder=project).stdout)
    failed = next(item for item in printed["runs"] if item["phase"] == "pretrain")
    assert (failed["state"], failed["attempts"]) == ("failed", 1)
    assert "no room" in failed["ended"]
    assert datetime.fromisoformat(failed["heartbeat"]).tzinfo is not None
