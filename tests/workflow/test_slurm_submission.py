"""What is checked before the first Slurm job; `tests/slurm` asks a real Slurm, whose words are here."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.workflow.chain import BIN, copy_project, environment

from fpc.core.errors import UserError
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import load
from fpc.workflow.slurm_submission import (
    Submission,
    check_paths,
    check_signal,
    check_submissions,
    is_final,
)

ACCOUNT = "allocation failure: Invalid account or account/partition combination specified"
CORES = "sbatch: error: CPU count per node can not be satisfied"
NODES = f"{CORES}\\nallocation failure: Requested node configuration is not available"


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Configuration:
    """Montezuma trains on GPUs and has a partition of its own; all jobs have a QOS."""
    copy_project(tmp_path, "tiny")
    file = tmp_path / "configs" / "tiny.yaml"
    text = """plan:
  slurm: {cpu: {partition: cores}, gpu: {partition: cards, account: visoin, gpu_model: a100}}
  job: {qos: short}
  jobs:
    montezuma:
      finetune: {runtime: 1440, mem_mb: 40000, cpus: 12, gpus: 1, partition: week}
"""
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return load("tiny")


def test_the_key_of_an_option_is_where_its_value_is_set_or_would_be(configuration: Configuration) -> None:
    plan = configuration.plan
    assert plan.key_of("montezuma", "finetune", "partition") == "plan.jobs.montezuma.finetune.partition"
    assert plan.key_of("montezuma", "finetune", "account") == "plan.slurm.gpu.account"
    assert plan.key_of("montezuma", "finetune", "qos") == "plan.slurm.gpu.qos"
    assert plan.key_of(None, "figure", "qos") == "plan.job.qos"
    assert plan.key_of(None, "figure", "account") == "plan.slurm.cpu.account"
    assert plan.key_of(None, "figure", "mem_mb") == "plan.job.mem_mb"


def answering(words: str, code: int) -> str:
    """A command that answers as sbatch does, whatever follows it."""
    script = f'printf "{words}\\n" >&2; exit {code}'
    return f"sh -c {shlex.quote(script)} sbatch"


def submission(words: str, code: int = 1, **changed: object) -> Submission:
    resources = {"runtime": 1440, "mem_mb": 40000, "cpus_per_task": 12, "gpu": 1, "slurm_partition": "week"}
    resources |= {"slurm_account": "visoin", "gpu_model": "a100"}
    values: dict[str, object] = {"phase": "finetune", "experiment": "montezuma", "resources": resources}
    return Submission(**values | {"command": answering(words, code)} | changed)  # type: ignore[arg-type]


def test_a_refusal_has_the_words_of_slurm_and_the_keys_to_change(configuration: Configuration) -> None:
    with pytest.raises(UserError, match="nothing was submitted") as error:
        check_submissions(configuration, [submission(ACCOUNT), submission(NODES), submission("fine", 0)])
    assert str(error.value).splitlines()[1:] == [
        "finetune montezuma: Invalid account or account/partition combination specified",
        "  change plan.slurm.gpu.account (visoin), or plan.jobs.montezuma.finetune.partition (week)",
        "finetune montezuma: CPU count per node can not be satisfied; "
        "Requested node configuration is not available",
        "  change plan.jobs.montezuma.finetune.cpus (12), or plan.jobs.montezuma.finetune.mem_mb (40000), or "
        "plan.jobs.montezuma.finetune.gpus (1), or plan.jobs.montezuma.finetune.partition (week), or "
        "plan.slurm.gpu.gpu_model (a100)",
        "  if they are right, nodes may be drained (`sinfo -R`); --no-hooks submits without this check",
    ]


def test_jobs_with_the_same_mistake_are_told_together(configuration: Configuration) -> None:
    drawn = {"phase": "figure", "experiment": None, "resources": {"slurm_partition": "cores"}}
    words = "allocation failure: Invalid partition name specified"
    claimed = drawn | {"phase": "claims"}
    with pytest.raises(UserError, match="nothing was submitted") as error:
        check_submissions(configuration, [submission(words, **drawn), submission(words, **claimed)])
    assert str(error.value).splitlines()[1:] == [
        "claims, figure: Invalid partition name specified",
        "  change plan.slurm.cpu.partition (cores)",
    ]


def test_an_option_of_the_command_line_is_not_looked_for_in_the_configuration(
    configuration: Configuration,
) -> None:
    given = submission("allocation failure: Invalid qos specification", resources={"qos": "long", "gpu": 1})
    with pytest.raises(UserError, match=r"change qos \(long; from --set-resources, --default-resources"):
        check_submissions(configuration, [given])


def test_the_request_of_runs_that_share_a_job_is_that_of_each(configuration: Configuration) -> None:
    words = "allocation failure: Memory specification can not be satisfied"
    shared = submission(words, members=3, resources={"mem_mb": 120_000, "gpu": 3, "slurm_partition": "week"})
    with pytest.raises(UserError, match=r"mem_mb \(40000; 120000 for the 3 runs of a job, --group-comp"):
        check_submissions(configuration, [shared])


def test_jobs_that_would_only_wait_are_submitted(configuration: Configuration) -> None:
    down = "allocation failure: Required node not available (down, drained or reserved)"
    told = check_submissions(configuration, [submission(down), submission("fine", 0)])
    assert told == "finetune montezuma: Required node not available (down, drained or reserved)"
    assert check_submissions(configuration, [submission("fine", 0)]) == ""


def test_a_controller_that_does_not_answer_is_no_mistake_of_the_options(
    configuration: Configuration,
) -> None:
    words = "allocation failure: Unable to contact slurm controller (connect failure)"
    with pytest.raises(UserError, match="Slurm does not answer: Unable to contact slurm controller"):
        check_submissions(configuration, [submission(words)])


@pytest.mark.parametrize(
    ("words", "final"),
    [
        ("sbatch: error: Batch job submission failed: Invalid qos specification", True),
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller", False),
        ("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation", False),
        ("Invalid qos specification'.\n    sbatch call:\n        sbatch --comment 'timed out'", True),
    ],
)
def test_a_failed_submission_is_repeated_only_if_slurm_did_not_answer(words: str, final: bool) -> None:
    assert is_final(f"SLURM sbatch failed. The error message was '{words}") is final


@pytest.mark.parametrize(
    ("extra", "variable"),
    [
        ("", "TERM@120"),
        ("--nice=5 --signal=SIGTERM@300", "USR1@10"),
        ("--signal R:15@60", "TERM@120"),
        ("--signal=INT", "TERM@120"),
    ],
)
def test_a_warning_that_runs_understand_is_left_alone(extra: str, variable: str) -> None:
    check_signal(extra, variable)


@pytest.mark.parametrize(
    ("extra", "variable", "said"),
    [
        ("--signal=B:TERM@120", "TERM@120", "slurm_extra has --signal=B:TERM@120"),
        ("--signal=KILL@120", "TERM@120", "slurm_extra has --signal=KILL@120"),
        ("--signal=TERM@0", "TERM@120", "slurm_extra has --signal=TERM@0"),
        ("--nice=5", "WINCH@60", "SBATCH_SIGNAL is 'WINCH@60'"),
    ],
)
def test_a_warning_that_would_not_save_runs_is_refused(extra: str, variable: str, said: str) -> None:
    with pytest.raises(UserError, match="Leave it out, and --signal=TERM@120 holds") as error:
        check_signal(extra, variable)
    assert said in str(error.value)


@pytest.mark.usefixtures("configuration")
def test_without_slurm_its_profile_ends_with_one_message(tmp_path: Path) -> None:
    (tmp_path / "slurm").symlink_to("workflow/profiles/slurm")
    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("sh", "bash", "which", "git", "uname"):
        (commands / name).symlink_to(shutil.which(name) or os.devnull)
    target = "results/tiny/two_state_mdp/pretrain/seed_0/manifest.json"
    words = [BIN / "snakemake", target, "--profile", "slurm", "--config", "scale=tiny"]
    settings = environment(tmp_path) | {"PATH": f"{BIN}:{commands}"}
    ended = subprocess.run(words, env=settings, capture_output=True, text=True, check=False, timeout=100)
    assert ended.returncode == 1
    assert "there is no command sbatch here" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("name", ["it's", "a b", "a#b", "a[b]", "a&b", "a(b)", "~a"])
def test_a_path_that_a_jobs_script_would_take_apart_is_refused(name: str) -> None:
    with pytest.raises(UserError, match=r"the path holds '?\"?.'?\"?, and Slurm's jobs.*Clone into a folder"):
        check_paths("/usr/bin/python", f"/home/{name}/Snakefile")


def test_paths_that_need_no_quotes_are_taken() -> None:
    check_paths("/usr/bin/python3.11", "/home/Zoë/a_b-c.d@e%f+g=h:i,j/Snakefile")
