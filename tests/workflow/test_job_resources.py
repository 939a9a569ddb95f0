"""What jobs request: from the configuration to the words that Snakemake's Slurm plugin understands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.workflow.chain import BIN, copy_project, environment

from fpc.core.errors import ConfigError
from fpc.workflow.job_resources import JobResources, SlurmSection
from fpc.workflow.loader import load
from fpc.workflow.snakemake_adapter import job_resources, resource_names

SLURM = SlurmSection.model_validate(
    {"cpu": {"partition": "cpu"}, "gpu": {"partition": "gpu", "account": "vision", "gpu_model": "a100"}}
)


def requested(**values: object) -> JobResources:
    return JobResources.model_validate(
        {"runtime": 60, "mem_mb": 1000, "cpus": 2, "gpus": 0} | values
    ).completed(SLURM)


def test_jobs_with_and_without_gpus_go_to_partitions_of_their_own() -> None:
    job = requested()
    assert (job.partition, job.account, job.gpu_model) == ("cpu", None, None)
    job = requested(gpus=1)
    assert (job.partition, job.account, job.gpu_model) == ("gpu", "vision", "a100")
    job = requested(gpus=1, partition="long", qos="week", gpu_model="h100")
    assert (job.partition, job.account, job.qos, job.gpu_model) == ("long", "vision", "week", "h100")


def test_a_gpu_model_needs_a_gpu() -> None:
    with pytest.raises(ValidationError, match="gpu_model is set, but gpus is 0"):
        requested(gpu_model="a100")
    with pytest.raises(ValidationError, match="String should match pattern"):
        requested(gpus=1, gpu_model="a100-80g")


@pytest.fixture
def queues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project whose trainings of one domain request a GPU, with Slurm options."""
    copy_project(tmp_path, "tiny")
    (tmp_path / "slurm").symlink_to("workflow/profiles/slurm")
    file = tmp_path / "configs" / "tiny.yaml"
    text = file.read_text(encoding="utf-8").replace("[figure_9]", "[figure_6]")
    file.write_text(
        text
        + """plan:
  slurm: {cpu: {partition: cores}, gpu: {partition: cards, constraint: nvlink, gpu_model: a100}}
  job: {qos: short}
  jobs:
    montezuma:
      finetune: {runtime: 1440, mem_mb: 40000, cpus: 12, gpus: 1, account: vision}
""",
        encoding="utf-8",
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("queues")
def test_requests_have_the_names_that_the_plugin_understands() -> None:
    configuration = load("tiny")
    assert job_resources(configuration, "finetune", "montezuma") == {
        "runtime": 1440,
        "mem_mb": 40000,
        "cpus_per_task": 12,
        "gpu": 1,
        "slurm_partition": "cards",
        "slurm_account": "vision",
        "constraint": "nvlink",
        "gpu_model": "a100",
    }
    assert job_resources(configuration, "claims") == {
        "runtime": 240,
        "mem_mb": 4000,
        "cpus_per_task": 1,
        "gpu": 0,
        "slurm_partition": "cores",
        "qos": "short",
    }
    common = {"runtime", "mem_mb", "cpus_per_task", "gpu", "slurm_partition", "qos"}
    assert resource_names(configuration, "figure") == common
    assert resource_names(configuration, "finetune") == common | {"slurm_account", "constraint", "gpu_model"}


def printed_resources(project: Path, phase: str, experiment: str, *arguments: str) -> set[str]:
    """The resources that a dry run prints for all jobs of an experiment's phase."""
    words = [BIN / "snakemake", "--profile", "slurm", "--dry-run", *arguments, "--config", "scale=tiny"]
    finished = subprocess.run(
        words, cwd=project, env=environment(project), capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    jobs = re.findall(rf"^rule {phase}:\n((?: +.*\n)+)", finished.stdout, re.MULTILINE)
    lines = [line for job in jobs if experiment in job for line in re.findall(r"resources: (.*)", job)]
    return set.intersection(*(set(line.split(", ")) for line in lines))


def test_snakemake_is_told_what_the_configuration_requests(queues: Path) -> None:
    trained = printed_resources(queues, "finetune", "montezuma")
    assert {"cpus_per_task=12", "mem_mb=40000", "gpu=1", "gpu_model=a100"} <= trained
    assert {"slurm_partition=cards", "slurm_account=vision", "constraint=nvlink"} <= trained


def test_options_of_the_profile_hold_where_the_configuration_has_none(queues: Path) -> None:
    """Other jobs of the phase have an account, which this one has not."""
    extra = ["--default-resources", "slurm_account='guests'"]
    drawn = printed_resources(queues, "figure", "montezuma", *extra)
    assert {"slurm_account=guests", "slurm_partition=cores", "qos=short"} <= drawn


@pytest.mark.usefixtures("queues")
def test_a_wrong_option_names_the_file_and_the_key(queues: Path) -> None:
    file = queues / "configs" / "tiny.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("qos: short", "queue: short"), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"tiny.yaml: plan.job.queue"):
        load("tiny")
