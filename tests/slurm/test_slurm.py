"""The chain as jobs of a real Slurm, with jobs cancelled, timed out and killed on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pandas as pd
import psutil
import pytest

from fpc.lineage.manifest import read

from .cluster import CannotStart, cluster
from .project import BIN, limit, prepared, said, snakemake, wait_for

METHODS = ("scratch", "vanilla", "behavioral_cloning")
RUN = Path("results/queue/robotic_sequence")
QUICK = ("--slurm-init-seconds-before-status-checks", "3", "--latency-wait", "5")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


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
def running() -> Iterator[Path]:
    """The cluster runs; the folder of its logs."""
    try:
        with cluster() as folder:
            yield folder
    except CannotStart as reason:
        pytest.skip(f"no Slurm here: {reason}")


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory, running: Path) -> tuple[Path, Disturber, str]:
    """The disturbed chain through Slurm: project, disturber, and the driver's output."""
    return disturbed_chain(prepared(tmp_path_factory.mktemp("slurm")))


def disturbed_chain(project: Path) -> tuple[Path, Disturber, str]:
    quick = [*QUICK, "--group-components", "shared_evaluate=2"]  # the node has two cores
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
    done = {job for made in jobs.values() for job in made}
    assert {accounted(job)["Partition"] for job in done} == {"cpu"}


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
        assert 0 < details["metadata"]["resumed_from_step"] < 16_000, method
        assert details["machine"]["slurm_job"] != job, method


FIELDS = "JobID,State,Partition,Account,QOS,AllocCPUS,ReqMem,Timelimit,End,AllocTRES,Constraints"


def accounted(job: str) -> dict[str, str]:
    """What the accounting says about a job."""
    words = ["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job}"]
    (line,) = said(*words, f"--format={FIELDS}").splitlines()
    return dict(zip(FIELDS.split(","), line.split("|"), strict=True))


def state_of(job: str) -> str:
    return accounted(job)["State"]


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
    # The plugin asks the accounting without a time, which means since midnight.
    midnight = f"{datetime.fromtimestamp(report.stat().st_mtime):%Y-%m-%d}T00:00:00"
    assert {job for job in jobs if accounted(job)["End"] > midnight} <= {
        job.split(".")[0] for job in table["JobID"]
    }
    assert (table["Elapsed_sec"] > 20).any()  # the trainings
    assert (table["CPU Efficiency (%)"] > 0).any()


TRAINED = "results/trial/apple_retrieval/finetune/vanilla/seed_{}/manifest.json"
CARD = "results/trial/montezuma/pretrain/seed_0/manifest.json"
# In the place of fpc: says what a job is given; kills the second training once, after the first is published.
STAND_IN = f"""#!/bin/sh
echo "GPU ${{CUDA_VISIBLE_DEVICES:-none}}, processes $FPC_PROCESSES"
case "$*" in *finetune*seeds=seed_1*)
  if [ ! -e killed ]; then
    until [ -e {TRAINED.format(0)} ]; do sleep 0.5; done
    sleep 3
    cp {TRAINED.format(0)} first.json
    touch killed
    kill -9 $$
  fi;;
esac
exec {BIN}/fpc "$@"
"""


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory, running: Path) -> tuple[Path, str]:
    """A job that asks for a GPU, and two trainings that share a job: project, and the driver's output."""
    project = prepared(tmp_path_factory.mktemp("trial"))
    (project / "bin").mkdir()
    (project / "bin/fpc").write_text(STAND_IN)
    (project / "bin/fpc").chmod(0o755)
    path = f"{project}/bin:{BIN}:{os.environ['PATH']}"
    words = [CARD, TRAINED.format(0), TRAINED.format(1)]
    words += ["--profile", "slurm", *QUICK, "--group-components", "shared_finetune=2"]
    driver = snakemake(project, *words, scale="trial", PATH=path, FPC_IMAGE=str(project))
    driver.wait(400)
    return project, (project / "driver.txt").read_text()


CARD_JOB = "rule_pretrain/trial_montezuma"
SHARED_JOB = "group_shared_finetune"


def jobs_of(text: str, what: str) -> list[str]:
    """The Slurm jobs that the driver submitted for a rule or group, known by the path of their logs."""
    return [job for job, log in re.findall(r"SLURM jobid (\d+) \(log: (.*)\)", text) if what in log]


def test_a_gpu_job_requests_what_the_configuration_says_and_is_given_it(trial: tuple[Path, str]) -> None:
    project, text = trial
    job = accounted(jobs_of(text, CARD_JOB)[0])
    assert (job["Partition"], job["Account"], job["QOS"]) == ("gpu", "root", "normal")
    assert (job["Constraints"], job["AllocCPUS"], job["ReqMem"]) == ("fakes", "2", "800M")
    assert "gres/gpu=1" in job["AllocTRES"]
    log = (project / "results/.logs/trial/montezuma/pretrain/seed_0.log").read_text()
    assert log.startswith("GPU 0, processes 2\n")


def test_a_job_that_cannot_succeed_is_submitted_once(trial: tuple[Path, str]) -> None:
    """There is no real GPU."""
    project, text = trial
    (job,) = jobs_of(text, CARD_JOB)
    assert state_of(job) == "FAILED"
    log = (project / "results/.logs/trial/montezuma/pretrain/seed_0.log").read_text()
    assert "fpc: plan.jobs.montezuma.pretrain.gpus asks for a GPU, but " in log
    assert "asks for a GPU, but " in text, "the driver shows it"


def test_trainings_that_share_a_job_request_what_they_need_together(trial: tuple[Path, str]) -> None:
    _, text = trial
    for job in map(accounted, jobs_of(text, SHARED_JOB)):
        assert (job["AllocCPUS"], job["ReqMem"], job["Timelimit"]) == ("2", "1400M", "00:20:00")
        assert job["Partition"] == "cpu"


def test_what_a_failed_job_has_published_is_kept(trial: tuple[Path, str]) -> None:
    project, text = trial
    first, second = jobs_of(text, SHARED_JOB)
    made = [read(project / TRAINED.format(seed)).details for seed in (0, 1)]
    assert (project / TRAINED.format(0)).read_bytes() == (project / "first.json").read_bytes()
    assert [details["machine"]["slurm_job"] for details in made] == [first, second]


def refused(project: Path, *arguments: str) -> str:
    """What the driver says about jobs that Slurm does not take."""
    driver = snakemake(
        project, CARD, TRAINED.format(0), *QUICK, "--profile", "slurm", *arguments, scale="trial"
    )
    assert driver.wait(100) == 1
    text = (project / "driver.txt").read_text()
    assert "has been submitted" not in text
    return text[text.index("WorkflowError") :]


@pytest.mark.parametrize(
    ("key", "right", "wrong", "words"),
    [
        ("account", "root", "visoin", "The given account visoin appears to be invalid"),
        ("partition", "gpu", "gpus", "invalid partition specified: gpus"),
        ("qos", "normal", "long", "Invalid qos specification"),
        ("constraint", "fakes", "nvlink", "Invalid feature specification"),
        ("gpu_model", "fake", "a100", "Requested node configuration is not available"),
    ],
)
def test_options_that_slurm_refuses_are_named_before_anything_is_submitted(
    tmp_path: Path, running: Path, key: str, right: str, wrong: str, words: str
) -> None:
    project = prepared(tmp_path)
    file = project / "configs/trial.yaml"
    content = file.read_text()
    assert content.count(f"{key}: {right}") == 1
    file.write_text(content.replace(f"{key}: {right}", f"{key}: {wrong}"))
    text = refused(project)
    assert "Slurm refuses jobs; nothing was submitted." in text
    assert f"pretrain montezuma: {words}" in text
    assert f"plan.slurm.gpu.{key} ({wrong})" in text
    assert "finetune" not in text, "its options are right"


def test_more_cores_than_a_node_has_are_refused(tmp_path: Path, running: Path) -> None:
    text = refused(prepared(tmp_path), "--set-resources", "pretrain:cpus_per_task=500")
    assert "cpus_per_task (500; from --set-resources, --default-resources or the profile)" in text


# In the place of fpc: says when it is warned.
WARNED = """#!/bin/sh
trap 'echo $(($(date +%s) - start)) > warned; exit 143' TERM
start=$(date +%s)
sleep 300 & wait
"""


def test_a_job_is_warned_whatever_options_are_given_and_one_that_slurm_refuses_later_is_not_repeated(
    tmp_path: Path, running: Path
) -> None:
    """While the first job runs, its user loses the right to submit more."""
    project = prepared(tmp_path)
    (project / "bin").mkdir()
    (project / "bin/fpc").write_text(WARNED)
    (project / "bin/fpc").chmod(0o755)
    path = f"{project}/bin:{BIN}:{os.environ['PATH']}"
    words = [TRAINED.format(0), "--profile", "slurm", *QUICK, "--set-resources", "pretrain:runtime=3"]
    words += ["--default-resources", "slurm_extra='--nice=5'"]
    driver = snakemake(project, *words, scale="trial", PATH=path, FPC_IMAGE=str(project))
    try:
        wait_for(lambda: "has been submitted" in (project / "driver.txt").read_text())
        limit("MaxSubmitJobs", "0")
        assert driver.wait(200) == 1
    finally:
        limit("MaxSubmitJobs", "-1")
    assert int((project / "warned").read_text()) < 100, (
        "120 seconds before 3 minutes, or up to a minute earlier"
    )
    text = (project / "driver.txt").read_text()
    counts = [text.count(what) for what in ("has been submitted", "Trying to restart", "SLURM sbatch failed")]
    assert counts == [1, 1, 1]


def test_a_job_that_will_never_start_is_told(tmp_path: Path, running: Path) -> None:
    """Slurm takes a job that exceeds its user's limits, and holds it for ever."""
    project = prepared(tmp_path)
    limit("MaxWall", "10")
    try:
        driver = snakemake(project, TRAINED.format(0), "--profile", "slurm", *QUICK, scale="trial")
        text = project / "driver.txt"
        wait_for(lambda: "AssocMaxWallDurationPerJobLimit; if it is a limit" in text.read_text())
        driver.send_signal(signal.SIGINT)
        driver.wait(60)
    finally:
        limit("MaxWall", "-1")
    assert said("squeue", "--noheader") == ""
