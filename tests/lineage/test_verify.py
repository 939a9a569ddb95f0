"""The audit detects alterations, and distinguishes them from artifacts that are merely outdated."""

from __future__ import annotations

import os
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fpc.cli.main import app
from fpc.core.files import digest_of
from fpc.core.renamed import RENAMED
from fpc.lineage import digests, sections
from fpc.lineage.freshness import freshness
from fpc.lineage.manifest import ManifestError, read
from fpc.lineage.verdict import Verdict
from fpc.workflow.loader import load
from fpc.workflow.phases.pretrain import pretrain
from fpc.workflow.run_table import RunTable
from tests.dvc_lock import WEIGHTS, record_weights

from .conftest import CHAIN, COLLECT, EVALUATE, FIGURE, FINETUNE, PRETRAIN, findings, rewrite


@pytest.mark.usefixtures("chain")
def test_what_was_just_made_is_verified() -> None:
    assert {str(item.verdict) for item in findings().values()} == {"verified"}
    assert set(findings()) == {row.manifest for row in CHAIN}


@pytest.mark.usefixtures("chain")
def test_weights_that_are_not_here_are_absent_if_dvc_records_them_and_otherwise_missing() -> None:
    record_weights(PRETRAIN.folder / "policy.safetensors", FINETUNE.folder / "milestones")
    (PRETRAIN.folder / "policy.safetensors").unlink()
    next((FINETUNE.folder / "milestones").iterdir()).unlink()
    found = findings()
    absent = {path for path, item in found.items() if item.verdict == Verdict.ABSENT}
    assert absent == {PRETRAIN.manifest, FINETUNE.manifest}
    assert found[FIGURE.manifest].verdict == Verdict.VERIFIED
    assert CliRunner().invoke(app, ["audit", "verify", "results/tiny/two_state_mdp"]).exit_code == 0
    WEIGHTS.unlink()
    assert {str(item.verdict) for item in findings().values()} == {"missing"}


def test_weights_made_again_and_lost_before_they_were_recorded_are_missing(chain: Path) -> None:
    """They have the same size as those recorded before, so size alone would make them look recorded."""
    policy = PRETRAIN.folder / "policy.safetensors"
    record_weights(policy)
    before = policy.read_bytes()
    path = chain / "configs" / "tiny.yaml"
    shorter = "two_state_mdp:\n    pretrain: {updates: 7}\n"
    path.write_text(path.read_text("utf-8").replace("two_state_mdp:\n", shorter, 1), "utf-8")
    pretrain(load("tiny"), "two_state_mdp", (0,))
    assert findings()[PRETRAIN.manifest].verdict == Verdict.STALE
    assert policy.read_bytes() != before
    assert policy.stat().st_size == len(before)
    policy.unlink()
    found = freshness(RunTable(load("tiny"))).of(PRETRAIN)
    assert found.verdict == Verdict.MISSING
    assert found.reasons == ("policy.safetensors is not here; DVC has no record of it with this manifest",)
    reason = "weights/one.dvc records policy.safetensors with another manifest"
    assert reason in findings()[PRETRAIN.manifest].reasons[0]


def test_an_outdated_record_makes_only_its_artifact_stale(chain: Path) -> None:
    record_weights(PRETRAIN.folder / "policy.safetensors")
    text = (chain / WEIGHTS).read_text("utf-8")
    (chain / WEIGHTS).write_text(re.sub("md5: [0-9a-f]{32}", f"md5: {'0' * 32}", text), "utf-8")
    found = findings()
    assert found.pop(PRETRAIN.manifest).verdict == Verdict.STALE
    assert {item.verdict for item in found.values()} == {Verdict.VERIFIED}


@pytest.mark.usefixtures("chain")
def test_a_missing_table_is_missing_even_if_dvc_records_it() -> None:
    record_weights(EVALUATE.folder / "episodes.parquet")
    (EVALUATE.folder / "episodes.parquet").unlink()
    assert findings()[EVALUATE.manifest].verdict == Verdict.MISSING


@pytest.mark.usefixtures("chain")
def test_changed_code_is_behind_not_stale() -> None:
    def change(statement: dict[str, Any]) -> None:
        statement["predicate"]["runDetails"]["builder"]["code"]["modules"]["fpc/core/files.py"] = "0" * 64

    rewrite(COLLECT.manifest, change)
    found = findings()[COLLECT.manifest]
    assert found.verdict == Verdict.BEHIND
    assert "fpc/core/files.py" in found.reasons[0]


def test_more_configured_seeds_make_a_figure_stale(chain: Path) -> None:
    path = chain / "configs" / "tiny.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("two_state_mdp:\n", "two_state_mdp:\n    seeds: 2\n", 1), encoding="utf-8")
    found = findings()[FIGURE.manifest]
    assert found.verdict == Verdict.STALE
    assert "different runs" in found.reasons[0]


@pytest.mark.usefixtures("chain")
def test_a_path_given_in_any_way_is_audited() -> None:
    PRETRAIN.folder.joinpath("policy.safetensors").unlink()
    for path in (PRETRAIN.folder, PRETRAIN.folder.resolve(), Path("results/../results/tiny/two_state_mdp")):
        finished = CliRunner().invoke(app, ["audit", "verify", str(path)])
        assert finished.exit_code == 3, finished.output
        assert f"{PRETRAIN.manifest}: policy.safetensors is not here; DVC has no record" in finished.output
    everything = CliRunner().invoke(app, ["audit", "verify"])
    assert everything.exit_code == 3
    line = "missing     results/tiny: 2 artifacts, such as claims.manifest.json: it has not been made\n"
    assert line in everything.output  # the rest of the scale


def test_an_invalid_manifest_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ManifestError, match="not a manifest of this project"):
        read(path)


@pytest.mark.usefixtures("chain")
def test_manifest_says_what_made_it() -> None:
    manifest = read(COLLECT.manifest)
    assert set(manifest.subjects) == {"expert.safetensors", "start_states.json"}
    assert set(manifest.parents) == {PRETRAIN.manifest.as_posix()}
    code = manifest.details["builder"]["code"]
    assert "fpc/domains/two_state_mdp/domain.py" in code["modules"]
    text = COLLECT.manifest.read_text(encoding="utf-8")
    assert f"{Path.home()}/" not in text
    assert f"{Path.cwd()}/" not in text


@pytest.mark.parametrize(("wait", "remembered"), [(0.0, False), (1.5, True)])
def test_a_file_that_changed_shortly_before_a_long_read_is_not_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: float, remembered: bool
) -> None:
    """Reading a pipe takes as long as its writer wants."""
    monkeypatch.setattr(digests, "RACY", 1_000_000_000)
    pipe, cache = tmp_path / "pipe", tmp_path / "cache.json"
    os.mkfifo(pipe)
    time.sleep(wait)

    def write() -> None:
        time.sleep(1.5)
        pipe.write_bytes(b"content")

    writer = threading.Thread(target=write)
    writer.start()
    memory = digests.Digests(cache)
    memory.sha256(pipe)
    writer.join()
    memory.save()
    assert cache.exists() == remembered


@pytest.mark.usefixtures("chain")
def test_a_file_directly_in_the_results_is_detected() -> None:
    Path("results/notes.txt").write_text("x", encoding="utf-8")
    finished = CliRunner().invoke(app, ["audit", "verify"])
    assert finished.exit_code == 1
    assert "unverified  results/notes.txt: no manifest names this file" in finished.output


@pytest.mark.usefixtures("chain")
def test_a_renamed_key_makes_nothing_stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """The manifest is from before the renaming: its section has the old name."""

    def change(statement: dict[str, Any]) -> None:
        parameters = statement["predicate"]["buildDefinition"]["externalParameters"]
        section = parameters["section"]["pretrain"]
        section["length"] = section.pop("updates")
        parameters["section_sha256"] = digest_of(parameters["section"])

    rewrite(PRETRAIN.manifest, change)
    found = findings()[PRETRAIN.manifest]
    assert found.verdict == Verdict.STALE
    assert "pretrain.length was 2000 and is gone; pretrain.updates is new, 2000" in found.reasons[0]
    monkeypatch.setitem(RENAMED, "length", "updates")
    assert findings()[PRETRAIN.manifest].verdict == Verdict.VERIFIED


def test_renamed_keys_are_read_with_new_names_at_any_depth() -> None:
    then = {"finetune": {"sac": {"discount": 0.99, "gradient_clip": None}}, "list": [{"maximum_steps": 3}]}
    now = {"finetune": {"sac": {"gamma": 0.99, "max_grad_norm": None}}, "list": [{"max_steps": 3}]}
    assert sections.changed(then, now) == ""
    now["finetune"]["sac"]["gamma"] = 0.9  # type: ignore[call-overload]
    assert sections.changed(then, now) == "finetune.sac.gamma was 0.99, is 0.9"
