"""The chain as jobs of a real Slurm, with jobs cancelled, timed out and killed on the way."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import psutil
import pytest

from fpc.lineage.manifest import read
from tests.workflow.chain import environment

from .cluster import CannotStart, cluster

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
METHODS = ("scratch", "vanilla", "behavioral_cloning")
RUN = Path("results/queue/robotic_sequence")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def prepared(folder: Path) -> Path:
    """A project like a fresh clone, with the link through which ``--profile slurm`` is found."""
    for name in ("configs", "workflow"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    shutil.copy(ROOT / "Snakefile", folder)
    shutil.copy(ROOT / "tests" / "slurm" / "queue.yaml", folder / "configs")
    (folder / "slurm").symlink_to("workflow/profiles/slurm")
    return folder


def snakemake(project: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Prints to ``driver.txt``."""
    settings = environment(project) | {"FPC_CHECKPOINT_SECONDS": "2", "PATH": f"{BIN}:{os.environ['PATH']}"}
    words = [BIN / "snakemake", *arguments, "--config", "scale=queue"]
    with (project / "driver.txt").open("w") as file:
        return subprocess.Popen(words, cwd=project, env=settings, stdout=file, stderr=file)


def said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class Disturber:
    """Disturbs the training of three methods, each once and in a different way, after a checkpoint."""

    def __init__(self, project: Path) -> None:
        self.project = project
        self.left = {"scratch": self.cancel, "vanilla": self.end_time, "behavioral_cloning": self.kill}
        self.done: dict[str, str] = {}  # method -> Slurm job

    def look(self) -> None:
        """Disturb whatever is ready."""
        for record in self.project.glob("results/.runs/*/run.json"):
            try:
                content = json.loads(record.read_text())
            except (OSError, ValueError):
                continue
            row, process = content["row"], content["attempts"][-1]["process"]
            method = str(row.get("method"))
            ready = row["phase"] == "finetune" and list(record.parent.glob("state/**/checkpoint_*.json"))
            if ready and method in self.left and psutil.pid_exists(process):
                job = psutil.Process(process).environ().get("SLURM_JOB_ID")
                assert job is not None, "the training is not a Slurm job"
                self.left.pop(method)(job, process)
                self.done[method] = job

    def cancel(self, job: str, process: int) -> None:
        said("scancel", job)

    def end_time(self, job: str, process: int) -> None:
        said("scontrol", "update", f"JobId={job}", "TimeLimit=00:00:01")

    def kill(self, job: str, process: int) -> None:
        os.kill(process, signal.SIGKILL)


@pytest.fixture(scope="module")
def serial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The undisturbed chain on this machine, without Slurm."""
    project = prepared(tmp_path_factory.mktemp("serial"))
    driver = snakemake(project, "--cores", "2")
    assert driver.wait(400) == 0, (project / "driver.txt").read_text()[-3000:]
    return project


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Disturber, str]]:
    """The disturbed chain through Slurm: project, disturber, and the driver's output."""
    project = prepared(tmp_path_factory.mktemp("slurm"))
    try:
        with cluster():
            yield disturbed_chain(project)
    except CannotStart as reason:
        pytest.skip(f"no Slurm here: {reason}")


def disturbed_chain(project: Path) -> tuple[Path, Disturber, str]:
    quick = ["--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5"]
    quick += ["--group-components", "small_evaluate=2"]  # the node has two cores
    disturber = Disturber(project)
    driver = snakemake(project, "--profile", "slurm", *quick)
    deadline = time.monotonic() + 700
    while driver.poll() is None and time.monotonic() < deadline:
        disturber.look()
        time.sleep(0.3)
    text = (project / "driver.txt").read_text()
    logs = "\n".join(path.read_text()[-1500:] for path in (project / "results/.logs").rglob("*.log"))
    assert driver.returncode == 0, text[-3000:] + logs[-3000:]
    return project, disturber, text


def test_every_phase_ran_as_a_slurm_job(slurm: tuple[Path, Disturber, str]) -> None:
    project, _, _ = slurm
    for phase in ("pretrain", "collect"):
        assert "slurm_job" in read(project / RUN / phase / "seed_0/manifest.json").details["machine"]
    jobs: dict[str, set[str]] = {}
    for phase in ("finetune", "evaluate"):
        for method in METHODS:
            manifest = read(project / RUN / phase / method / "seed_0/manifest.json")
            jobs.setdefault(phase, set()).add(manifest.details["machine"]["slurm_job"])
    assert len(jobs["finetune"]) == 3
    assert len(jobs["evaluate"]) == 2, "two of the three evaluations share a job"
    figure = read(project / "results/queue/figures/figure_7.manifest.json")
    assert "slurm_job" in figure.details["machine"]
    assert (project / "results/queue/report.html").exists()


def test_disturbed_jobs_ended_as_they_should_and_were_submitted_again(
    slurm: tuple[Path, Disturber, str],
) -> None:
    project, disturber, _ = slurm
    assert not disturber.left
    states = {method: state_of(job) for method, job in disturber.done.items()}
    assert states["scratch"].startswith("CANCELLED")
    assert states["vanilla"] in ("TIMEOUT", "FAILED")  # failed: it saved and stopped before the limit
    assert states["behavioral_cloning"] in ("FAILED", "OUT_OF_MEMORY")
    for method, job in disturber.done.items():
        details = read(project / RUN / f"finetune/{method}/seed_0/manifest.json").details
        assert details["metadata"]["attempts"] == 2, method
        assert 0 < details["metadata"]["resumed_from_step"] < 24_000, method
        assert details["machine"]["slurm_job"] != job, method


def state_of(job: str) -> str:
    return said(
        "sacct", "--noheader", "--parsable2", "--allocations", "--format=State", f"--jobs={job}"
    ).strip()


def test_results_are_those_of_an_undisturbed_serial_run(
    slurm: tuple[Path, Disturber, str], serial: Path
) -> None:
    project, _, _ = slurm
    for method in METHODS:
        place = RUN / f"finetune/{method}/seed_0/manifest.json"
        assert read(project / place).subjects == read(serial / place).subjects, method
        table = RUN / f"evaluate/{method}/seed_0/episodes.parquet"
        pd.testing.assert_frame_equal(pd.read_parquet(project / table), pd.read_parquet(serial / table))
    svg = Path("results/queue/figures/figure_7.svg")
    assert (project / svg).read_bytes() == (serial / svg).read_bytes()


def test_the_queue_is_empty_and_the_efficiency_was_reported(slurm: tuple[Path, Disturber, str]) -> None:
    project, _, _ = slurm
    assert said("squeue", "--noheader") == ""
    assert not list((project / "results/.runs").glob("*"))
    (report,) = (project / "results/.logs/efficiency").glob("*.csv")
    table = pd.read_csv(report, dtype={"JobID": str})
    jobs = {
        read(path).details["machine"]["slurm_job"] for path in project.glob("results/queue/**/*manifest.json")
    }
    assert len(jobs) > 8
    assert jobs <= {job.split(".")[0] for job in table["JobID"]}
    assert (table["Elapsed_sec"] > 60).any()  # the trainings
    assert (table["CPU Efficiency (%)"] > 0).any()
