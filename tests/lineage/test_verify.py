"""The audit finds what was altered, and tells it from what is only old."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fpc.cli.main import app
from fpc.lineage import digests
from fpc.lineage.checks import Verdict
from fpc.lineage.manifest import ManifestError, read

from .conftest import CHAIN, COLLECT, FIGURE, PRETRAIN, findings, rewrite


@pytest.mark.usefixtures("chain")
def test_what_was_just_made_is_verified() -> None:
    assert {str(item.verdict) for item in findings().values()} == {"verified"}
    assert set(findings()) == {row.manifest for row in CHAIN}


@pytest.mark.usefixtures("chain")
def test_absent_weights_are_missing() -> None:
    (PRETRAIN.folder / "policy.safetensors").unlink()
    assert findings()[PRETRAIN.manifest].verdict == Verdict.MISSING


@pytest.mark.usefixtures("chain")
def test_code_that_moved_is_behind_not_stale() -> None:
    def change(statement: dict[str, Any]) -> None:
        statement["predicate"]["runDetails"]["builder"]["code"]["modules"]["fpc/core/files.py"] = "0" * 64

    rewrite(COLLECT.manifest, change)
    found = findings()[COLLECT.manifest]
    assert found.verdict == Verdict.BEHIND
    assert "fpc/core/files.py" in found.reasons[0]


def test_more_seeds_asked_for_make_a_figure_stale(chain: Path) -> None:
    path = chain / "configs" / "tiny.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("two_state_mdp:\n", "two_state_mdp:\n    seeds: 2\n", 1), encoding="utf-8")
    found = findings()[FIGURE.manifest]
    assert found.verdict == Verdict.STALE
    assert "other runs" in found.reasons[0]


@pytest.mark.usefixtures("chain")
def test_a_path_given_in_any_way_is_audited() -> None:
    PRETRAIN.folder.joinpath("policy.safetensors").unlink()
    for path in (PRETRAIN.folder, PRETRAIN.folder.resolve(), Path("results/../results/tiny/two_state_mdp")):
        finished = CliRunner().invoke(app, ["audit", "verify", str(path)])
        assert finished.exit_code == 3, finished.output
        assert "1 missing" in finished.output
    everything = CliRunner().invoke(app, ["audit", "verify"])
    assert everything.exit_code == 3
    line = "missing     results/tiny: 2 artifacts, such as claims.manifest.json: it has not been made\n"
    assert line in everything.output  # the rest of the scale


def test_a_manifest_that_is_none_is_refused(tmp_path: Path) -> None:
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
    """A pipe takes as long to read as its writer likes."""
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
def test_a_file_straight_in_the_results_is_seen() -> None:
    Path("results/notes.txt").write_text("x", encoding="utf-8")
    finished = CliRunner().invoke(app, ["audit", "verify"])
    assert finished.exit_code == 1
    assert "unverified  results/notes.txt: no manifest names this file" in finished.output
