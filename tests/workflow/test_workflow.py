"""The real workflow at tiny scale: what runs, what runs again, and what does not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.dvc_lock import record_weights
from tests.workflow.chain import copy_project, environment

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
RUN_FIGURE = "results/tiny/figures/figure_9.svg"


def snakemake(project: Path, *arguments: str, source: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run snakemake in a project folder, with this checkout's package or the one in ``source``."""
    return subprocess.run(
        [BIN / "snakemake", "--cores", "2", *arguments, "--config", "scale=tiny"],
        cwd=project,
        env=environment(project, source),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def jobs(finished: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Rule -> number of jobs, from the table that snakemake prints."""
    found = re.findall(r"^(\w+) +(\d+)$", finished.stdout + finished.stderr, re.MULTILINE)
    return {rule: int(count) for rule, count in found if rule not in ("total", "all")}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder in which the whole tiny chain has run."""
    project = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "configs", project / "configs")
    shutil.copytree(ROOT / "workflow", project / "workflow", symlinks=True)
    shutil.copy(ROOT / "Snakefile", project / "Snakefile")
    shutil.copy(ROOT / "tests" / "tiny.yaml", project / "configs" / "tiny.yaml")
    finished = snakemake(project)
    assert finished.returncode == 0, finished.stderr
    return project


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """A copy of the made project, with its file times."""
    target = tmp_path / "copy"
    shutil.copytree(made, target, symlinks=True)
    return target


def test_the_chain_makes_figure_claims_and_report(made: Path) -> None:
    results = made / "results" / "tiny"
    for name in ("figures/figure_9.svg", "figures/figure_9.png", "figures/figure_9.csv"):
        assert (results / name).stat().st_size > 100
    for name in ("claims.json", "claims.md", "claims.manifest.json", "report.html", "report.manifest.json"):
        assert (results / name).stat().st_size > 100
    for kind, ending in ((".logs", "log"), (".logs", "log.code"), (".benchmarks", "tsv")):
        files = list((made / "results" / kind / "tiny").rglob(f"*.{ending}"))
        assert len(files) == 7, files  # one per job
    audit = subprocess.run(
        [BIN / "fpc", "audit", "verify"], cwd=made, capture_output=True, text=True, check=False
    )
    assert (audit.returncode, audit.stdout) == (0, "7 verified\n")


def test_a_second_run_has_nothing_to_do(copy: Path) -> None:
    started = time.monotonic()
    finished = snakemake(copy, "--dry-run")
    assert "Nothing to be done" in finished.stdout + finished.stderr
    assert time.monotonic() - started < 30


def test_a_fresh_clone_without_weights_and_times_has_nothing_to_do(copy: Path) -> None:
    shutil.rmtree(copy / ".snakemake")
    shutil.rmtree(copy / "results" / ".sections")
    weights = [path.relative_to(copy) for path in (copy / "results").rglob("*.safetensors")]
    outputs = {path.parent if path.parent.name == "milestones" else path for path in weights}
    record_weights(*outputs, root=copy)
    for path in weights:
        (copy / path).unlink()
    for number, path in enumerate(sorted((copy / "results").rglob("*"), reverse=True)):
        os.utime(path, (1_800_000_000 + number, 1_800_000_000 + number))
    assert "Nothing to be done" in snakemake(copy, "--dry-run").stdout
    (copy / RUN_FIGURE).unlink()
    assert jobs(snakemake(copy, "--dry-run", RUN_FIGURE)) == {"figure": 1}
    assert jobs(snakemake(copy, "--dry-run")) == {"figure": 1, "report": 1}


def test_a_lost_manifest_in_the_middle_is_made_again(copy: Path) -> None:
    (copy / "results/tiny/two_state_mdp/evaluate/vanilla/seed_0/manifest.json").unlink()
    expected = {"evaluate": 1, "figure": 1, "claims": 1, "report": 1}
    assert jobs(snakemake(copy, "--dry-run")) == expected


@pytest.mark.parametrize("fresh_clone", [False, True])
def test_a_changed_value_reruns_what_depends_on_it(copy: Path, fresh_clone: bool) -> None:
    if fresh_clone:
        shutil.rmtree(copy / ".snakemake")
        shutil.rmtree(copy / "results" / ".sections")
    path = copy / "configs" / "tiny.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("updates: 2000", "updates: 1000"), encoding="utf-8")
    assert path.read_text(encoding="utf-8") != text
    expected = {"finetune": 1, "evaluate": 1, "figure": 1, "claims": 1, "report": 1}
    assert jobs(snakemake(copy, "--dry-run")) == expected


@pytest.mark.parametrize("clock", ["right", "a day back"])
def test_children_of_an_artifact_made_again_are_made_again(copy: Path, clock: str) -> None:
    program = (
        "import sys, fpc.workflow.run as runs; from datetime import datetime, timedelta, UTC; "
        f"shift = timedelta(days={0 if clock == 'right' else 1}); "
        "runs._now = lambda: (datetime.now(UTC) - shift).isoformat(timespec='milliseconds'); "
        "from fpc.cli.main import main; main()"
    )
    command = [sys.executable, "-c", program, "figure", "--scale=tiny", "--name=figure_9"]
    (copy / "results/tiny/figures/figure_9.manifest.json").unlink()
    subprocess.run(command, cwd=copy, check=True)
    assert jobs(snakemake(copy, "--dry-run")) == {"report": 1}
    assert jobs(snakemake(copy, "--dry-run", RUN_FIGURE)) == {}
    snakemake(copy)
    assert "Nothing to be done" in snakemake(copy, "--dry-run").stdout
    command = [sys.executable, "-c", program, "evaluate", "--scale=tiny", "--experiment=two_state_mdp"]
    (copy / "results/tiny/two_state_mdp/evaluate/vanilla/seed_0/manifest.json").unlink()
    subprocess.run([*command, "--method=vanilla"], cwd=copy, check=True)
    assert jobs(snakemake(copy, "--dry-run")) == {"figure": 1, "claims": 1, "report": 1}


def test_an_altered_figure_is_found_by_the_audit_and_made_again_each_time(copy: Path) -> None:
    before = (copy / RUN_FIGURE).read_bytes()
    for _ in range(2):
        (copy / RUN_FIGURE).write_bytes(before + b"<!-- altered -->")
        audit = subprocess.run(
            [BIN / "fpc", "audit", "verify"], cwd=copy, capture_output=True, text=True, check=False
        )
        assert audit.returncode == 1
        assert "tampered" in audit.stdout
        assert jobs(snakemake(copy, "--dry-run")) == {"figure": 1, "report": 1}
        assert jobs(snakemake(copy)) == {"figure": 1, "report": 1}
        assert (copy / RUN_FIGURE).read_bytes() == before
        assert "Nothing to be done" in snakemake(copy, "--dry-run").stdout


def test_a_wrong_configuration_ends_with_code_2_and_nothing_made(made: Path, tmp_path: Path) -> None:
    for name in ("configs", "workflow"):
        shutil.copytree(made / name, tmp_path / name, symlinks=True)
    shutil.copy(made / "Snakefile", tmp_path / "Snakefile")
    path = tmp_path / "configs" / "tiny.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "claim: {}\n", encoding="utf-8")
    finished = snakemake(tmp_path)
    assert finished.returncode == 2
    assert "Did you mean 'claims'?" in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "results").exists()


def test_a_method_is_one_file_and_one_entry(made: Path, tmp_path: Path) -> None:
    for name in ("configs", "workflow"):
        shutil.copytree(made / name, tmp_path / name, symlinks=True)
    shutil.copy(made / "Snakefile", tmp_path / "Snakefile")
    source = tmp_path / "src"
    shutil.copytree(ROOT / "src", source, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (source / "fpc" / "retention" / "dummy.py").write_text(
        "from fpc.retention.interface import RetentionMethod\n\n\n"
        "class Dummy(RetentionMethod):\n"
        '    label = "Dummy"\n'
        '    colour = "#56B4E9"\n\n'
        "    def penalty(self, batch):\n"
        "        return None\n",
        encoding="utf-8",
    )
    text = (ROOT / "tests" / "small.yaml").read_text(encoding="utf-8").replace("scale: small", "scale: tiny")
    entry = "methods:\n  dummy: {robotic_sequence: {}}\n"
    (tmp_path / "configs" / "tiny.yaml").write_text(text.replace("methods:\n", entry, 1), encoding="utf-8")
    finished = snakemake(tmp_path, "--dry-run", source=source)
    assert finished.returncode == 0, finished.stderr
    assert "results/tiny/robotic_sequence/finetune/dummy/seed_0/manifest.json" in finished.stdout
    figures = re.findall(r"rule figure:\n +input: (.*)\n +output: .*/(\w+)\.svg", finished.stdout)
    drawn = {name for inputs, name in figures if "robotic_sequence/evaluate/dummy/seed_0" in inputs}
    assert drawn == {"figure_3c", "figure_7"}  # the others show fixed methods of the paper


def test_rules_are_clean() -> None:
    style = subprocess.run(
        [BIN / "snakefmt", "--check", "Snakefile", "workflow"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert style.returncode == 0, style.stderr
    lint = subprocess.run(
        [BIN / "snakemake", "--lint"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout + lint.stderr


def test_the_paper_is_planned_quickly_and_by_the_profile_in_the_root() -> None:
    assert (ROOT / "slurm" / "config.yaml").samefile(ROOT / "workflow/profiles/slurm/config.yaml")
    plan = subprocess.run(
        [BIN / "fpc", "plan", "--scale=paper"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert plan.returncode == 0, plan.stderr
    assert "robotic_sequence" in plan.stdout
    assert re.search(r"about [\d.]+ process hours", plan.stdout)


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ([], {"paper"}),
        (["--config", "scale=tiny"], {"tiny"}),
        # Of the other methods, whose runs the variant shares, none is made yet.
        (["--config", "variant=text_ewc"], {"paper", "paper+text_ewc"}),
    ],
)
def test_the_slurm_profile_alone_is_the_full_reproduction(
    tmp_path: Path, words: list[str], made: set[str]
) -> None:
    copy_project(tmp_path, "tiny")
    (tmp_path / "slurm").symlink_to("workflow/profiles/slurm")
    command = [BIN / "snakemake", "--profile", "slurm", "--dry-run", *words]
    finished = subprocess.run(
        command, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert set(re.findall(r"output: results/([^/]+)/", finished.stdout)) == made
