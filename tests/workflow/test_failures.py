"""The summary of a failed workflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.dvc_lock import record_weights

from fpc.workflow.failures import failure_text, log_of
from fpc.workflow.loader import load
from fpc.workflow.run_table import rows

SNAKEMAKE = Path(sys.executable).parent / "snakemake"


def test_a_failed_job_is_named_with_its_error_and_its_command(project: Path) -> None:
    """A parent's data were not pulled, so the training refuses to start."""
    target = "results/tiny/two_state_mdp/collect/seed_0/manifest.json"
    words = [SNAKEMAKE, "--profile", "workflow/profiles/local", "--config", "scale=tiny", "--"]
    made = subprocess.run([*words, target], cwd=project, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    data = Path("results/tiny/two_state_mdp/collect/seed_0/expert.safetensors")
    record_weights(data)
    data.unlink()
    target = "results/tiny/two_state_mdp/finetune/vanilla/seed_0/manifest.json"
    failed = subprocess.run([*words, target], cwd=project, capture_output=True, text=True, check=False)
    assert failed.returncode == 1
    assert "finetune two_state_mdp vanilla seed_0: the run did not start" in failed.stdout
    assert "expert.safetensors is not here; dvc pull fetches" in failed.stdout
    assert "again: fpc finetune --scale=tiny --experiment=two_state_mdp --method=vanilla" in failed.stdout


def test_a_failed_run_shows_the_end_of_its_log(project: Path) -> None:
    configuration = load("tiny")
    (row,) = [row for row in rows(configuration) if row.phase == "pretrain"]
    (project / "results/.runs").mkdir(parents=True)
    program = (
        "from fpc.workflow.run import open_run; from fpc.lineage.artifact import Row; "
        "from fpc.workflow.run_table import section_of; "
        "from fpc.workflow.loader import load\n"
        "row = Row('tiny', 'pretrain', 'two_state_mdp', seeds=(0,))\n"
        "with open_run(row, section_of(load('tiny'), row), []): raise RuntimeError('the robot fell')"
    )
    log = log_of(row)
    log.parent.mkdir(parents=True)
    with log.open("w") as file:
        subprocess.run([sys.executable, "-c", program], cwd=project, stderr=file, check=False)
    text = failure_text(configuration, 0.0)
    assert text.startswith("pretrain two_state_mdp seed_0: RuntimeError: the robot fell")
    assert "  | RuntimeError: the robot fell" in text
    assert "again: fpc pretrain --scale=tiny --experiment=two_state_mdp --seeds=0" in text
    later = log.stat().st_mtime + 1
    assert failure_text(configuration, later) == "Run the same command again to continue where it stopped."


@pytest.mark.usefixtures("project")
def test_logs_are_where_the_rules_write_them() -> None:
    """A dry run prints the log of every job."""
    printed = subprocess.run(
        [SNAKEMAKE, "-n", "--cores", "1", "--config", "scale=tiny"],
        capture_output=True,
        text=True,
        check=True,
    )
    for row in rows(load("tiny")):
        assert f"log: {log_of(row)}" in printed.stdout + printed.stderr, row


def test_a_broken_record_of_dvc_ends_with_code_2_and_one_message(project: Path) -> None:
    (project / "dvc.lock").write_text("stages: [nothing]\n", encoding="utf-8")
    words = [SNAKEMAKE, "--cores", "1", "--config", "scale=tiny"]
    finished = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert finished.stderr.count("restore it: git checkout dvc.lock") == 1
    assert "Traceback" not in finished.stderr
    assert not (project / "results").exists()
