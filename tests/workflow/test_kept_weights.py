"""DVC keeps some of weights and data, in a remote inside the repository: pushed, cloned, audited, pulled."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest
from tests.lineage.conftest import rewrite
from tests.workflow.chain import ROOT, copy_project
from tests.workflow.test_versions import commit, records, run

from fpc.lineage.dvc_lock import read_record

RUN = Path("results/tiny/two_state_mdp/finetune")
KEPT, LEFT = RUN / "vanilla" / "seed_0", RUN / "vanilla" / "seed_1"
LAST, BETWEEN = KEPT / "milestones/step_2000.safetensors", KEPT / "milestones/step_500.safetensors"
RECORD = Path("weights/tiny/two_state_mdp/finetune.dvc")
RULE = "record: {milestones: last, seeds: [0], max_file_mb: 10}\n"
PULLED = {"pretrain/seed_0/policy.safetensors", "collect/seed_0/expert.safetensors"}
NETWORK = {f"{kind}_proxy": "http://127.0.0.1:9" for kind in ("http", "https", "all")}  # nobody answers there


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two seeds, run, recorded, pushed into its own repository and committed."""
    project = tmp_path_factory.mktemp("kept") / "project"
    project.mkdir()
    for name in (".gitignore", ".dvcignore", ".gitattributes"):
        shutil.copy(ROOT / name, project / name)
    (project / ".dvc").mkdir()
    for name in (".gitignore", "config"):
        shutil.copy(ROOT / ".dvc" / name, project / ".dvc" / name)
    run(project, "git", "init", "--quiet")
    copy_project(project, "tiny")
    configuration = project / "configs" / "tiny.yaml"
    text = configuration.read_text(encoding="utf-8")
    text = text.replace("two_state_mdp:\n", "two_state_mdp:\n    seeds: 2\n", 1) + RULE
    configuration.write_text(text, encoding="utf-8")
    run(project, "fpc", "config", "stages", "--scale=tiny")
    run(project, "snakemake", "--cores=2", "--config", "scale=tiny")
    assert "7 of 7 recorded" in run(project, "fpc", "record", "--scale=tiny")
    assert "files pushed" in run(project, "dvc", "push")
    commit(project, "tiny chain")
    return project


@pytest.fixture
def clone(made: Path, tmp_path: Path) -> Path:
    """A clone by someone whose git converts line ends, and who has nothing else."""
    run(tmp_path, "git", "clone", "--quiet", "--config", "core.autocrlf=true", made, tmp_path / "clone")
    return tmp_path / "clone"


def stored(project: Path) -> set[Path]:
    """Objects in the remote inside a repository."""
    files = (path for path in (project / "weights" / "store").rglob("*") if path.is_file())
    return {path.relative_to(project) for path in files}


def audit(project: Path, *options: str, code: int = 0) -> str:
    return run(project, "fpc", "audit", "verify", *options, code=code)


def verdicts(project: Path, *options: str, code: int = 0) -> dict[Path, tuple[str, list[str]]]:
    found = json.loads(audit(project, "--json", *options, code=code))["findings"]
    return {Path(item["artifact"]): (item["verdict"], item["reasons"]) for item in found}


def test_only_what_is_kept_is_recorded_and_every_manifest_is(made: Path) -> None:
    kept = {f"results/tiny/two_state_mdp/{name}" for name in PULLED} | {LAST.as_posix()}
    assert {path for path in records(made) if path.endswith((".safetensors", "milestones"))} == kept
    assert set(read_record(made / RECORD).manifests) == {f"{folder}/manifest.json" for folder in (KEPT, LEFT)}
    assert len(stored(made)) == len(kept)
    assert run(made, "git", "status", "--porcelain") == ""
    assert "up to date" in run(made, "dvc", "status")


def test_a_clone_passes_the_audit_before_and_after_a_pull(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, address in NETWORK.items():
        monkeypatch.setenv(name, address)
    assert list((clone / "results").rglob("*.safetensors")) == []
    first = audit(clone)
    assert first == (
        "5 verified, 4 absent\n"
        "files of weights and data: 0 here, 3 to fetch (dvc pull), "
        "9 not kept (`record` in the configuration)\n"
    )
    printed = audit(clone, "--complete", code=3)
    assert "files to fetch: 1 (dvc pull)" in printed
    assert "5 verified, 1 absent, 3 missing" in printed
    assert "3 files fetched" in run(clone, "dvc", "pull")
    names = {path.relative_to(clone / RUN.parent).as_posix() for path in clone.rglob("*.safetensors")}
    assert names == {*PULLED, LAST.relative_to(RUN.parent).as_posix()}
    for options in ((), ("--complete",), ("--deep",)):
        assert audit(clone, *options) == (
            "7 verified, 2 absent\n"
            "files of weights and data: 3 here, 9 not kept (`record` in the configuration)\n"
        )
    assert "Nothing to be done" in run(clone, "snakemake", "--cores=1", "--dry-run", "--config", "scale=tiny")
    assert run(clone, "git", "status", "--porcelain") == ""
    before = records(clone)
    assert "recorded" in run(clone, "fpc", "record", "--scale=tiny")  # nothing that is not here is forgotten
    assert run(clone, "git", "status", "--porcelain") == ""
    assert records(clone) == before


def test_an_altered_byte_of_a_kept_file_is_tampered(clone: Path) -> None:
    run(clone, "dvc", "pull")
    content = bytearray((clone / LAST).read_bytes())
    content[-1] ^= 1
    (clone / LAST).write_bytes(content)
    found = verdicts(clone, code=1)
    assert found[KEPT / "manifest.json"][0] == "tampered"
    assert "step_2000.safetensors is not the file that was made (sha256 differs)" in str(found)
    links = [(clone / name).stat().st_nlink for name in stored(clone)]
    assert links == [1, 1, 1]  # what is pulled is a copy
    assert run(clone, "git", "status", "--porcelain") == ""


@pytest.mark.parametrize("folder", [KEPT, LEFT], ids=["kept", "left"])
def test_a_manifest_that_differs_from_the_recorded_one_excuses_nothing(clone: Path, folder: Path) -> None:
    run(clone, "dvc", "pull")

    def change(statement: dict[str, object]) -> None:
        items = statement["subject"]
        assert isinstance(items, list)
        next(item for item in items if item["name"] == f"milestones/{BETWEEN.name}")["digest"] = {
            "sha256": "0" * 64
        }

    rewrite(clone / folder / "manifest.json", change)
    verdict, reasons = verdicts(clone, code=1)[folder / "manifest.json"]
    assert verdict == "stale"
    assert "another manifest" in reasons[0]
    assert any("DVC has no record of it with this manifest" in reason for reason in reasons)
    printed = run(clone, "fpc", "record", "--scale=tiny", code=1)
    assert f"{folder}/manifest.json" in printed


def test_a_kept_file_without_a_record_is_missing(clone: Path) -> None:
    text = (clone / RECORD).read_text(encoding="utf-8")
    (clone / RECORD).write_text(text[: text.index("outs:")] + text[text.index("meta:") :], encoding="utf-8")
    found = verdicts(clone, code=3)
    assert found[KEPT / "manifest.json"][0] == "missing"
    assert found[LEFT / "manifest.json"][0] == "absent"
    (clone / RECORD).unlink()
    found = verdicts(clone, code=3)
    assert [found[folder / "manifest.json"][0] for folder in (KEPT, LEFT)] == ["missing", "missing"]


def test_what_is_not_kept_is_missing_once_the_rule_keeps_all(clone: Path) -> None:
    configuration = clone / "configs" / "tiny.yaml"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(text.replace(RULE, ""), encoding="utf-8")
    found = verdicts(clone, code=3)
    assert found[LEFT / "manifest.json"] == (
        "missing",
        [
            "5 files (milestones/step_0.safetensors, milestones/step_1000.safetensors, "
            "milestones/step_1500.safetensors, ...) are not here; DVC has no record of it with this manifest"
        ],
    )


def test_an_evaluation_of_milestones_that_are_not_kept_says_how_to_get_them(clone: Path) -> None:
    run(clone, "dvc", "pull")
    shutil.rmtree(clone / "results/tiny/two_state_mdp/evaluate/vanilla/seed_0")
    chosen = ("--experiment=two_state_mdp", "--method=vanilla", "--seeds=0")
    printed = run(clone, "fpc", "evaluate", "--scale=tiny", *chosen, code=1)
    words = " ".join(printed.split())
    assert f"not all of its files are kept; delete {KEPT}/manifest.json and make it again" in words


def test_a_partial_tree_without_any_kept_run_still_records_its_manifests(made: Path, tmp_path: Path) -> None:
    project = tmp_path / "partial"
    shutil.copytree(made, project, symlinks=True)
    (project / RECORD).unlink()
    for folder in ("finetune/vanilla/seed_0", "evaluate/vanilla/seed_0", "evaluate/vanilla/seed_1"):
        shutil.rmtree(project / "results/tiny/two_state_mdp" / folder)
    run(project, "fpc", "record", "--scale=tiny", code=1)  # the figure and what follows lack an evaluation
    assert list(read_record(project / RECORD).outs) == []
    assert f"{LEFT}/manifest.json" in read_record(project / RECORD).manifests
    run(project, "dvc", "push")
    shutil.rmtree(project / LEFT / "milestones")
    found = verdicts(project, f"{LEFT}/manifest.json")
    assert found[LEFT / "manifest.json"][0] == "absent"


def test_a_record_of_every_milestone_stays_while_they_are_not_here(made: Path, tmp_path: Path) -> None:
    """It was made before the rule kept only the last."""
    project = tmp_path / "project"
    shutil.copytree(made, project, symlinks=True)
    configuration = project / "configs" / "tiny.yaml"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(text.replace(RULE, ""), encoding="utf-8")
    run(project, "fpc", "record", "--scale=tiny")
    run(project, "dvc", "push")
    folders = [(folder / "milestones").as_posix() for folder in (KEPT, LEFT)]
    assert [out["path"] for out in read_record(project / RECORD).outs] == folders
    configuration.write_text(text, encoding="utf-8")
    for folder in folders:
        shutil.rmtree(project / folder)
    run(project, "fpc", "record", "--scale=tiny")
    assert [out["path"] for out in read_record(project / RECORD).outs] == folders[:1]
    assert "5 to fetch (dvc pull), 5 not kept" in audit(project)
    run(project, "dvc", "checkout", RECORD)
    run(project, "fpc", "record", "--scale=tiny")
    assert [out["path"] for out in read_record(project / RECORD).outs] == [LAST.as_posix()]
    assert len(stored(project)) > len(stored(made))
    run(project, "dvc", "gc", "--workspace", "--cloud", "--force")
    assert stored(project) == stored(made)


def test_the_clean_room_pulls_from_the_remote_in_the_clone(clone: Path) -> None:
    script = runpy.run_path(str(ROOT / "workflow" / "scripts" / "clean_room.py"))
    (clone / ".venv").symlink_to(sys.prefix)
    assert script["remote_of"](None) is None
    script["pull"](clone, None, None)
    script["nothing_to_do"](clone, "tiny")
    assert script["audit"](clone, "tiny") == "2 absent, 7 verified"  # the remote lacks nothing
