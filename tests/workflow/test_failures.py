"""The summary of a failed workflow."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.dvc_lock import record_weights

from fpc.core import interruption
from fpc.workflow.failures import allowed_retries, exit_code, failure_text, log_of
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


def test_the_conflicts_of_a_merge_are_called_so(project: Path) -> None:
    """What git itself leaves in the file; `git checkout dvc.lock` is refused then, `--ours` is not."""

    def git(*words: str, ok: bool = True) -> int:
        who = ["-c", "user.name=test", "-c", "user.email=test@localhost"]
        return subprocess.run(["git", *who, *words], check=ok, capture_output=True).returncode

    git("init", "-q", "-b", "two")
    for branch in ("two", "one"):
        git("checkout", "-q", "--orphan", branch, ok=False)
        Path("dvc.lock").write_text(f"schema: '2.0'\nstages: {{}} # {branch}\n", encoding="utf-8")
        git("add", "dvc.lock")
        git("commit", "-qm", branch)
    git("checkout", "-q", "two")
    assert git("merge", "--allow-unrelated-histories", "one", ok=False) == 1
    words = [SNAKEMAKE.with_name("fpc"), "status", "--scale", "tiny"]
    finished = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert finished.returncode == 2
    assert "dvc.lock: has the conflicts of a merge" in finished.stderr
    assert git("checkout", "dvc.lock", ok=False) != 0
    assert git("checkout", "--ours", "dvc.lock") == 0
    finished = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize(
    ("codes", "allowed"),
    [
        ([1], 0),  # an error of the program
        ([2], 0),
        ([127], 0),  # fpc is not installed
        ([75], 3),  # one of its processes was killed, or the GPU failed
        ([143], 3),  # SIGTERM: it saved and stopped
        ([137], 3),  # SIGKILL
        ([None], 3),  # its node was lost, or it was cancelled before it started
        ([0], 3),  # made, but the files were not seen in time
        ([0, 1, 0], 0),  # jobs of a group: the other two are done
        ([0, 1, 143], 3),
        ([0, 1, None], 3),
        ([], 3),
    ],
)
def test_only_errors_of_the_program_itself_are_final(codes: list[int | None], allowed: int) -> None:
    assert allowed_retries(3, codes) == allowed


def test_an_exit_code_of_an_earlier_workflow_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "seed_0.log.code").write_text("1\n", encoding="ascii")
    written = (tmp_path / "seed_0.log.code").stat().st_mtime
    assert exit_code(tmp_path / "seed_0.log", written - 1) == 1
    assert exit_code(tmp_path / "seed_0.log", written + 1) is None
    assert exit_code(tmp_path / "seed_1.log", 0.0) is None


def retried(project: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Make two_state_mdp's pi* with up to three retries, and ``program`` in the place of fpc."""
    place = project / "bin"
    place.mkdir()
    (place / "fpc").write_text(f"#!/bin/sh\n{program}\n", encoding="utf-8")
    (place / "fpc").chmod(0o755)
    # As in an image, jobs take fpc from the PATH.
    settings = {**os.environ, "PATH": f"{place}:{os.environ['PATH']}", "FPC_IMAGE": str(project)}
    words = [SNAKEMAKE, "--profile", "workflow/profiles/local", "--retries", "3", "--cores", "2"]
    words += [*arguments, "--config", "scale=tiny", "--"]
    target = "results/tiny/two_state_mdp/pretrain/seed_0/manifest.json"
    return subprocess.run(
        [*words, target], cwd=project, env=settings, capture_output=True, text=True, check=False
    )


def test_a_job_that_fails_by_itself_is_not_retried(project: Path) -> None:
    finished = retried(project, "echo attempt >> attempts; echo 'fpc: no GPU'; exit 1")
    assert finished.returncode == 1
    assert (project / "attempts").read_text() == "attempt\n"
    assert "fpc: no GPU" in finished.stderr + finished.stdout
    assert "Trying to restart" not in finished.stderr


def test_a_job_that_is_killed_is_retried(project: Path) -> None:
    real = Path(sys.executable).parent / "fpc"
    kills = 'echo attempt >> attempts; [ "$(wc -l < attempts)" = 3 ] || kill -9 $$'
    finished = retried(project, f'{kills}; exec {real} "$@"')
    assert finished.returncode == 0, finished.stderr
    assert (project / "attempts").read_text() == "attempt\n" * 3
    assert (project / "results/.logs/tiny/two_state_mdp/pretrain/seed_0.log.code").read_text() == "0\n"


def test_a_job_is_told_its_cores(project: Path) -> None:
    with (project / "configs" / "tiny.yaml").open("a", encoding="utf-8") as file:
        file.write("plan: {jobs: {two_state_mdp: {pretrain: {runtime: 9, mem_mb: 900, cpus: 2, gpus: 0}}}}\n")
    finished = retried(project, "echo $FPC_PROCESSES $OMP_NUM_THREADS > told; exit 1")
    assert (project / "told").read_text() == "2 1\n", finished.stderr


@pytest.mark.parametrize("number", interruption.SIGNALS, ids=lambda number: number.name)
@pytest.mark.parametrize("shell_name", ["bash", "dash"])
def test_a_stopped_command_leaves_its_own_code(
    tmp_path: Path, number: signal.Signals, shell_name: str
) -> None:
    """The signal goes to all processes of a job; the shell waits for the command, which saves first."""
    script = Path(__file__).resolve().parents[2] / "workflow" / "scripts" / "job.sh"
    saves = (
        f"trap 'sleep 0.3; echo saved; exit 143' {number.name[3:]}; echo ready; while :; do sleep 0.05; done"
    )
    command = f'. {script}; logged {tmp_path}/log sh -c "{saves}"'
    # No shell can trap what it inherits as ignored, and other tests may have left that so.
    words = ["env", "--default-signal", shell_name, "-euc", command]
    shell = subprocess.Popen(words, start_new_session=True)
    deadline = time.monotonic() + 10
    while "ready" not in ((tmp_path / "log").read_text() if (tmp_path / "log").exists() else ""):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.killpg(shell.pid, number)
    assert shell.wait(10) == 143
    assert (tmp_path / "log").read_text().endswith("saved\n")
    assert (tmp_path / "log.code").read_text() == "143\n"
