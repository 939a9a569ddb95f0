"""Record, push, clone, pull: the tiny chain's versions, with a folder and with a real S3 server."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML
from tests.workflow import s3
from tests.workflow.chain import BIN, ROOT, run_chain

from fpc.core.files import sha256_of

FINETUNE = Path("results/tiny/two_state_mdp/finetune/vanilla/seed_0")
POLICY = Path("results/tiny/two_state_mdp/pretrain/seed_0/policy.safetensors")


def run(project: Path, *command: str | Path, code: int = 0, path: str = os.environ["PATH"]) -> str:
    """Run a program of this environment, or git, in a project; returns its output."""
    program = str(command[0])
    cache = str(project.parent / "cache")
    finished = subprocess.run(
        [BIN / program if (BIN / program).exists() else program, *command[1:]],
        cwd=project,
        env={**s3.environment(), "XDG_CACHE_HOME": cache, "OMP_NUM_THREADS": "1", "PATH": f"{BIN}:{path}"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert finished.returncode == code, (command, finished.stdout[-3000:], finished.stderr[-3000:])
    return finished.stdout + finished.stderr


def commit(project: Path, message: str) -> None:
    run(project, "git", "add", "--all")
    author = ("-c", "user.name=tester", "-c", "user.email=tester@example.org")
    run(project, "git", *author, "commit", "--quiet", "--message", message)


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Content and modification time of every file below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (sha256_of(path), path.stat().st_mtime_ns) for path in files}


def records(project: Path) -> dict[str, str]:
    """Path -> md5 of every output that is recorded, in ``dvc.lock`` and below ``weights``."""
    yaml = YAML(typ="safe", pure=True)
    stages = [yaml.load(file) for file in (project / "weights").rglob("*.dvc")]
    if (project / "dvc.lock").exists():
        stages += yaml.load(project / "dvc.lock")["stages"].values()
    return {out["path"]: out["md5"] for stage in stages for out in stage["outs"]}


def forget(project: Path) -> None:
    """Remove every record."""
    (project / "dvc.lock").unlink()
    shutil.rmtree(project / "weights")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git and DVC project in which the tiny chain has run and is recorded and committed."""
    project = tmp_path_factory.mktemp("versions") / "project"
    project.mkdir()
    for name in (".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, project / name)
    (project / ".dvc").mkdir()
    for name in (".gitignore", "config"):
        shutil.copy(ROOT / ".dvc" / name, project / ".dvc" / name)
    shutil.copytree(ROOT / ".dvc" / "plots", project / ".dvc" / "plots")
    run(project, "git", "init", "--quiet")
    run_chain(project, "tiny")
    assert "dvc.yaml has no stages of scale tiny" in run(project, "fpc", "record", "--scale=tiny", code=2)
    run(project, "fpc", "config", "stages", "--scale=tiny")
    assert "7 of 7 recorded" in run(project, "snakemake", "--cores=1", "record", "--config", "scale=tiny")
    commit(project, "tiny chain")
    return project


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "copy", symlinks=True)
    return tmp_path / "copy"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3.server(tmp_path_factory.mktemp("s3") / "server.log") as found:
        yield found


def test_repro_on_a_finished_tree_does_nothing_and_deletes_nothing(copy: Path) -> None:
    before = state(copy / "results")
    assert "up to date" in run(copy, "dvc", "status")
    printed = run(copy, "dvc", "repro")
    assert "Running stage" not in printed
    assert "Data and pipelines are up to date" in printed
    assert state(copy / "results") == before
    assert run(copy, "git", "status", "--porcelain") == ""


def test_repro_after_a_changed_comment_asks_snakemake_and_deletes_nothing(copy: Path) -> None:
    before = state(copy / "results")
    with (copy / "configs" / "tiny.yaml").open("a", encoding="utf-8") as file:
        file.write("# a comment\n")
    printed = run(copy, "dvc", "repro")
    assert "Running stage 'tiny_tables@two_state_mdp'" in printed
    assert "Nothing to be done" in printed
    after = state(copy / "results")
    visible = {name for name in before if not name.startswith(".")}  # .logs and .sections may change
    assert {name: after[name][0] for name in visible} == {name: before[name][0] for name in visible}


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_push_clone_pull_leave_nothing_to_do_and_an_audit_all_verified(
    copy: Path, tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = str(tmp_path / "remote") if kind == "folder" else f"s3://{s3.BUCKET}/fpc"
    run(copy, "dvc", "remote", "add", "--default", "store", url)
    if kind == "s3":
        run(copy, "dvc", "remote", "modify", "store", "endpointurl", request.getfixturevalue("address"))
    commit(copy, "remote")
    assert "files pushed" in run(copy, "dvc", "push")
    clone = tmp_path / "clone"
    run(tmp_path, "git", "clone", "--quiet", copy, clone)
    shutil.rmtree(copy)  # only git's files and the remote are left
    assert list(clone.rglob("*.safetensors")) == []
    assert run(clone, "fpc", "audit", "verify") == (
        "4 verified, 3 absent\nfiles of weights and data: 0 here, 7 to fetch (dvc pull)\n"
    )
    assert "Data and pipelines are up to date" in run(clone, "dvc", "repro")  # no stage needs weights
    run(clone, "dvc", "pull", "weights/tiny/two_state_mdp/pretrain.dvc")
    assert [file.relative_to(clone) for file in clone.rglob("*.safetensors")] == [POLICY]
    run(clone, "dvc", "pull", "--recursive", "weights/tiny/two_state_mdp")
    assert len(list((clone / FINETUNE).rglob("*.safetensors"))) == 5
    assert run(clone, "fpc", "audit", "verify") == "7 verified\n"
    assert "Everything is up to date" in run(clone, "dvc", "pull")
    printed = run(clone, "snakemake", "--cores=1", "--dry-run", "--config", "scale=tiny")
    assert "Nothing to be done" in printed
    assert "Data and pipelines are up to date" in run(clone, "dvc", "repro")
    assert run(clone, "git", "status", "--porcelain") == ""


def test_a_partial_tree_is_recorded_and_keeps_the_record_of_what_is_not_here(copy: Path) -> None:
    before = records(copy)
    shutil.rmtree(copy / FINETUNE / "milestones")  # not pulled
    printed = run(copy, "fpc", "record", "--scale=tiny")
    assert "weights/tiny/two_state_mdp/finetune.dvc: 1 output" in printed
    assert records(copy) == before
    forget(copy)
    printed = run(
        copy, "fpc", "record", "--scale=tiny", code=1
    )  # DVC has no record, so they cannot be fetched
    assert "2 of 7 recorded" in printed
    assert "5 files (milestones/step_0.safetensors" in printed
    shutil.rmtree(copy / "weights")
    for row in ("finetune", "evaluate"):  # not made
        shutil.rmtree(copy / "results" / "tiny" / "two_state_mdp" / row)
    printed = run(copy, "fpc", "record", "--scale=tiny", code=1)
    assert "evaluate/vanilla/seed_0/manifest.json is not here" in printed
    recorded = records(copy)
    assert recorded[str(POLICY)] == before[str(POLICY)]
    assert not any("finetune" in path or "figures" in path for path in recorded)


def test_weights_made_again_and_lost_do_not_keep_the_previous_record(copy: Path) -> None:
    file = copy / "weights/tiny/two_state_mdp/pretrain.dvc"
    before = file.read_bytes()
    configuration = copy / "configs" / "tiny.yaml"
    shorter = "two_state_mdp:\n    pretrain: {updates: 7}\n"
    text = configuration.read_text(encoding="utf-8")
    configuration.write_text(text.replace("two_state_mdp:\n", shorter, 1), encoding="utf-8")
    run(copy, "snakemake", "--cores=1", "--config", "scale=tiny")
    (copy / POLICY).rename(copy / "kept")
    printed = run(copy, "fpc", "record", "--scale=tiny", code=1)
    assert "policy.safetensors is not here; DVC has no record of it with this manifest" in printed
    assert file.read_bytes() == before
    (copy / "kept").rename(copy / POLICY)
    assert "7 of 7 recorded" in run(copy, "fpc", "record", "--scale=tiny")
    (copy / POLICY).unlink()
    assert run(copy, "fpc", "audit", "verify") == (
        "6 verified, 1 absent\nfiles of weights and data: 6 here, 1 to fetch (dvc pull)\n"
    )
    recorded = file.read_bytes()
    assert "pretrain.dvc: 1 output" in run(copy, "fpc", "record", "--scale=tiny")
    assert file.read_bytes() == recorded
    run(copy, "dvc", "checkout", file.relative_to(copy))
    assert run(copy, "fpc", "audit", "verify") == "7 verified\n"


def test_an_altered_or_incomplete_output_is_not_recorded(copy: Path) -> None:
    before = records(copy)
    with (copy / POLICY).open("ab") as file:
        file.write(b"altered")
    next((copy / FINETUNE / "milestones").iterdir()).unlink()
    printed = run(copy, "snakemake", "--cores=1", "record", "--config", "scale=tiny", code=1)
    assert "policy.safetensors is not the file that was made (size differs)" in printed
    assert "milestones has 4 of its 5 files" in printed
    assert records(copy) == before


def test_the_audit_compares_what_dvc_recorded_of_weights(copy: Path) -> None:
    file = Path("weights/tiny/two_state_mdp/pretrain.dvc")
    text = (copy / file).read_text(encoding="utf-8")
    (copy / file).write_text(text.replace(records(copy)[str(POLICY)], "f" * 32), encoding="utf-8")
    printed = run(copy, "fpc", "audit", "verify", code=1)
    assert f"{file} records a different {POLICY.name} (md5 differs)" in printed
    for wrong, problem in (
        (("manifests:", "manifest:"), "unknown key meta.manifest"),
        (("md5: ", "md5: zz"), "is no md5"),
    ):
        (copy / file).write_text(text.replace(*wrong), encoding="utf-8")
        assert problem in run(copy, "fpc", "audit", "verify", code=2)
    (copy / file).write_text("outs: [nothing]\n", encoding="utf-8")
    printed = run(copy, "fpc", "audit", "verify", code=2)
    assert f"{file}: not a DVC file" in printed


def test_what_git_holds_is_restored_by_git(copy: Path) -> None:
    table = copy / "results/tiny/two_state_mdp/evaluate/vanilla/seed_0/episodes.parquet"
    with table.open("ab") as file:
        file.write(b"altered")
    printed = run(copy, "fpc", "audit", "verify", code=1)
    assert "dvc.lock records different content; `git checkout` restores the recorded one" in printed
    run(copy, "git", "checkout", "results")
    assert run(copy, "fpc", "audit", "verify") == "7 verified\n"


def test_without_git_nothing_is_recorded_and_the_remedy_is_said(copy: Path) -> None:
    shutil.rmtree(copy / ".git")
    before = records(copy)
    assert "is no git clone, which DVC needs: clone" in run(copy, "fpc", "record", "--scale=tiny", code=1)
    assert records(copy) == before


def test_artifacts_made_from_an_altered_file_are_left_out_as_well(copy: Path) -> None:
    before = (copy / "dvc.lock").read_bytes()
    with (copy / "results/tiny/figures/figure_9.png").open("ab") as file:
        file.write(b"altered")
    printed = run(copy, "fpc", "record", "--scale=tiny", code=1)
    assert "5 of 7 recorded; left out:\n  tiny_figures:\n" in printed
    figure = "results/tiny/figures/figure_9.manifest.json"
    assert f"  tiny_report:\n    results/tiny/report.manifest.json: parent {figure} is tampered" in printed
    assert (copy / "dvc.lock").read_bytes() == before  # DVC also records what a stage reads


def test_a_signed_project_passes_the_audit_and_dvc(copy: Path, tmp_path: Path) -> None:
    key, lock = tmp_path / "key", (copy / "dvc.lock").read_bytes()
    run(copy, "fpc", "audit", "keygen", key)
    assert "7 manifests signed" in run(copy, "fpc", "audit", "sign", "--key", key)
    assert run(copy, "fpc", "audit", "verify", "--key", f"{key}.pub") == "7 verified\n"
    assert run(copy, "fpc", "audit", "verify") == "7 verified\n"
    assert "up to date" in run(copy, "dvc", "status")
    assert "7 of 7 recorded" in run(copy, "fpc", "record", "--scale=tiny")
    assert (copy / "dvc.lock").read_bytes() == lock
    assert "up to date" in run(copy, "dvc", "status")
    changed = run(copy, "git", "status", "--porcelain", "--untracked-files=all").splitlines()
    assert len(changed) == 7
    assert all(line.startswith("?? ") and line.endswith("manifest.dsse.json") for line in changed)


def test_a_record_waits_for_no_other_command_of_dvc_and_leaves_all_as_it_was(copy: Path) -> None:
    """Another command of DVC holds the lock: nothing is half-written, and the exit code says try again."""
    forget(copy)
    before = state(copy)
    with Repo(copy) as repository, repository.lock:
        printed = run(copy, "fpc", "record", "--scale=tiny", code=75)
    assert "Unable to acquire lock" in printed
    after = state(copy)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    assert changed <= {".dvc/tmp/lock", "results/.audit/digests.json"}  # neither says anything of results
    assert "7 of 7 recorded" in run(copy, "fpc", "record", "--scale=tiny")
    assert run(copy, "fpc", "audit", "verify") == "7 verified\n"


def test_stages_of_a_variant_whose_file_is_gone_are_dropped(copy: Path) -> None:
    overlay = copy / "configs" / "variants" / "mine.yaml"
    overlay.write_text("figure: {resamples: 60}\n", encoding="utf-8")
    wrong = run(copy, "fpc", "config", "stages", "--variant=mine", code=2)
    assert "--variant needs --scale" in wrong
    assert "tiny+mine" in run(copy, "fpc", "config", "stages", "--scale=tiny", "--variant=mine")
    run(copy, "snakemake", "--cores=1", "--config", "scale=tiny", "variant=mine")
    run(copy, "fpc", "record", "--scale=tiny", "--variant=mine")
    before = records(copy)
    assert "tiny-mine_report" in (copy / "dvc.lock").read_text(encoding="utf-8")
    overlay.unlink()
    assert "tiny+mine: its stages were dropped" in run(copy, "fpc", "record", "--scale=tiny")
    for name in ("dvc.yaml", "dvc.lock"):
        assert "mine" not in (copy / name).read_text(encoding="utf-8")
    assert records(copy) == {path: digest for path, digest in before.items() if "tiny+mine" not in path}


def test_stages_of_a_variant_whose_scale_is_gone_are_dropped(copy: Path) -> None:
    other, overlay = copy / "configs" / "other.yaml", copy / "configs" / "variants" / "mine.yaml"
    text = (copy / "configs" / "tiny.yaml").read_text(encoding="utf-8")
    other.write_text(text.replace("scale: tiny", "scale: other"), encoding="utf-8")
    overlay.write_text("figure: {resamples: 60}\n", encoding="utf-8")
    run(copy, "fpc", "config", "stages", "--scale=other", "--variant=mine")
    other.unlink()
    assert "other+mine: dropped" in run(copy, "fpc", "config", "stages")


def test_what_another_command_is_making_is_not_half_recorded(copy: Path) -> None:
    """While `dvc repro` runs a stage it holds that stage's outputs alone, not the project."""
    forget(copy)
    held = {"write": {str(copy / POLICY): {"pid": os.getpid(), "cmd": "dvc repro"}}}
    rwlock = copy / ".dvc" / "tmp" / "rwlock"
    rwlock.write_text(json.dumps(held), encoding="utf-8")
    assert "busy" in run(copy, "fpc", "record", "--scale=tiny", code=75)
    assert not (copy / "weights" / "tiny" / "two_state_mdp" / "pretrain.dvc").exists()
    rwlock.unlink()
    assert "7 of 7 recorded" in run(copy, "fpc", "record", "--scale=tiny")


def test_two_labels_whose_stages_would_have_one_name_are_refused(copy: Path) -> None:
    for name in ("a.b", "a-b"):
        overlay = copy / "configs" / "variants" / f"{name}.yaml"
        overlay.write_text("figure: {resamples: 60}\n", encoding="utf-8")
    run(copy, "fpc", "config", "stages", "--scale=tiny", "--variant=a.b")
    before = (copy / "dvc.yaml").read_bytes()
    printed = run(copy, "fpc", "config", "stages", "--scale=tiny", "--variant=a-b", code=2)
    assert "tiny+a-b and tiny+a.b have the same stages in dvc.yaml" in printed
    assert (copy / "dvc.yaml").read_bytes() == before


def test_what_dvc_says_is_printed_once(copy: Path) -> None:
    forget(copy)
    lines = run(copy, "fpc", "record", "--scale=tiny").splitlines()
    assert "Updating lock file 'dvc.lock'" in lines
    assert not any("INFO dvc" in line for line in lines)  # as this project prints its own


def test_record_runs_in_the_driver_and_never_in_a_job(copy: Path, tmp_path: Path) -> None:
    submitted = tmp_path / "submitted"
    commands = tmp_path / "bin"
    commands.mkdir()
    for name in ("sbatch", "sacct"):
        (commands / name).write_text(f"#!/bin/sh\ntouch {submitted}\nexit 1\n", encoding="utf-8")
        (commands / name).chmod(0o755)
    forget(copy)
    slurm = ("--executor=slurm", "--jobs=1", "--slurm-efficiency-report")
    printed = run(
        copy,
        "snakemake",
        *slurm,
        "record",
        "--config",
        "scale=tiny",
        path=f"{commands}:{os.environ['PATH']}",
    )
    assert "7 of 7 recorded" in printed
    assert (copy / "dvc.lock").exists()
    assert not submitted.exists()


def test_metrics_and_plots_compare_two_versions(copy: Path) -> None:
    metrics = copy / "results" / "tiny" / "metrics.json"
    metrics.write_text(metrics.read_text(encoding="utf-8").replace("0.11", "0.22", 1), encoding="utf-8")
    (changed,) = [line for line in run(copy, "dvc", "metrics", "diff").splitlines() if "tiny" in line]
    assert "two_state_mdp_coverage_reach_probability" in changed
    assert "0.11111" in changed
    assert "0.22" in changed
    run(copy, "dvc", "plots", "diff", "HEAD", "--out", "shown")
    pictures = {file.name for file in (copy / "shown" / "static").iterdir()}
    assert pictures == {f"{name}_results_tiny_figures_figure_9.png" for name in ("HEAD", "workspace")}


def test_the_clean_room_passes_a_complete_tree_and_fails_others(copy: Path, tmp_path: Path) -> None:
    script = runpy.run_path(str(ROOT / "workflow" / "scripts" / "clean_room.py"))
    broken = script["Broken"]
    run(copy, "git", "clone", "--quiet", copy, tmp_path / "clone")
    clone = tmp_path / "clone"
    (clone / ".venv").symlink_to(sys.prefix)  # `make setup` is not run again here
    with pytest.raises(broken, match="none of the weights"):
        script["pull"](clone, str(tmp_path / "empty"), None)
    (clone / ".dvc" / "config.local").unlink()
    script["pull"](clone, str(copy / ".dvc" / "cache"), None)
    script["nothing_to_do"](clone, "tiny")
    assert script["audit"](clone, "tiny") == "7 verified"
    script["redraw"](clone, "tiny", "figure_9")
    run(clone, "git", "checkout", "--quiet", ".")  # the figure's manifest has another time now
    for name in ("step_500.safetensors", "step_1000.safetensors"):
        (clone / FINETUNE / "milestones" / name).unlink()
    assert script["audit"](clone, "tiny") == "1 absent, 6 verified; 1 without files that the remote lacks"
    picture = clone / "results" / "tiny" / "figures" / "figure_9.csv"
    picture.write_text(picture.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    with pytest.raises(broken, match="tampered results/tiny/figures"):
        script["audit"](clone, "tiny")
    with pytest.raises(broken, match=r"these differ: figure_9\.csv"):
        script["redraw"](clone, "tiny", "figure_9")


def test_the_clean_room_pulls_from_a_server(
    copy: Path, tmp_path: Path, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.environment().items():
        monkeypatch.setenv(name, value)
    url = f"s3://{s3.BUCKET}/room"
    run(copy, "dvc", "remote", "add", "--local", "--default", "store", url)
    run(copy, "dvc", "remote", "modify", "--local", "store", "endpointurl", address)
    run(copy, "dvc", "push")
    clone = tmp_path / "clone"
    run(copy, "git", "clone", "--quiet", copy, clone)
    (clone / ".venv").symlink_to(sys.prefix)
    script = runpy.run_path(str(ROOT / "workflow" / "scripts" / "clean_room.py"))
    script["pull"](clone, url, address)
    assert script["audit"](clone, "tiny") == "7 verified"
