"""Whether Slurm takes the jobs of a workflow: asked for each set of options, before any job is submitted.

Without this, refusals would be found job by job, those of later phases hours or days later.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fpc.core.errors import UserError
from fpc.core.interruption import SIGNALS
from fpc.workflow.configuration import Configuration
from fpc.workflow.job_resources import RESOURCES, SLURM_OPTIONS

SECONDS = 60.0
# Two minutes before the time limit every process of a job gets SIGTERM: fpc saves and stops, and the next
# attempt resumes from there. sbatch reads the variable; an option --signal wins.
SIGNAL = "TERM@120"
SIGNAL_VARIABLE = "SBATCH_SIGNAL"

WORDS_OF_ALL = re.compile(
    r"^(sbatch: )?((error|fatal): )?((Batch job submission failed|allocation failure): )?"
)
# What Slurm or its plugin says -> the options that may be wrong; the first that fits holds.
CAUSES = (
    (r"account or account/partition", ("account", "partition")),
    (r"job violates accounting/qos policy", ("runtime", "cpus", "mem_mb", "gpus", "qos")),
    (r"group .*partition|partition .*(access|permi)", ("partition", "account")),
    (r"time limit", ("runtime", "partition", "qos")),
    (r"account", ("account",)),
    (r"qos", ("qos",)),
    (r"feature|constraint", ("constraint",)),
    (r"gres|gpu", ("gpu_model", "gpus", "partition")),
    (r"memory", ("mem_mb", "partition")),
    (
        r"node configuration|node count|cpu count",
        ("cpus", "mem_mb", "gpus", "partition", "constraint", "gpu_model"),
    ),
    (r"partition", ("partition",)),
)
# The controller did not answer: the same submission may succeed later.
SILENT = re.compile(
    r"unable to contact|timed out|temporarily|zero bytes|connection (refused|failure)|communication", re.I
)
# Slurm would take the job, and keep it in the queue.
WAITING = re.compile(
    r"nodes are busy|node not available|partition not available|not available now", re.IGNORECASE
)
# Every job waits for these at times; others may hold a job for ever, such as a limit that it exceeds alone.
USUAL = {"None", "Priority", "Resources", "BeginTime"}
COMMANDS = ("sbatch", "sinfo", "squeue", "scancel")
SPECIAL = re.compile(r"[^\w@%+=:,./-]")  # to a shell


@dataclass(frozen=True)
class Submission:
    """Jobs that are submitted with the same options."""

    phase: str
    experiment: str | None
    resources: Mapping[str, object]  # Snakemake's names
    members: int = 1  # runs that share a job
    command: str = ""  # sbatch with its options, in a shell's words
    error: str = ""  # why Snakemake's plugin cannot submit them


def is_final(message: str) -> bool:
    """Whether a submission failed for good: its repetition would fail again.

    Args:
        message: what Snakemake's plugin reports; the command follows Slurm's words.
    """
    return SILENT.search(message.partition("sbatch call:")[0]) is None


def check_submissions(configuration: Configuration, submissions: Iterable[Submission]) -> str:
    """Ask Slurm whether it would take the jobs (``sbatch --test-only``; nothing is submitted).

    Args:
        configuration: the configuration.
        submissions: one for each set of options.

    Returns:
        What Slurm says that keeps jobs waiting, such as nodes that are down; empty if there is nothing.

    Raises:
        UserError: some are refused; the text lists them all with Slurm's words and the keys to change. Or
            Slurm is not here, or does not answer.
    """
    answers: dict[str, str] = {}
    refused: dict[tuple[str, str], list[str]] = {}
    waiting: dict[str, list[str]] = {}
    for item in submissions:
        if item.command not in answers:
            answers[item.command] = _answer(item.command) if item.command else ""
        words = item.error or answers[item.command]
        if SILENT.search(words):
            raise UserError(
                f"Slurm does not answer: {words}\nNothing was submitted. Repeat the command when its "
                "controller answers (`scontrol ping`)."
            )
        if WAITING.search(words):
            waiting.setdefault(words, []).append(_title(item))
        elif words:
            refused.setdefault((words, _remedy(configuration, item, words)), []).append(_title(item))
    if refused:
        parts = [f"{_listed(titles)}: {words}\n  {remedy}" for (words, remedy), titles in refused.items()]
        raise UserError("\n".join(["Slurm refuses jobs; nothing was submitted.", *parts]))
    return "\n".join(f"{_listed(titles)}: {words}" for words, titles in waiting.items())


def _listed(titles: list[str]) -> str:
    return ", ".join(sorted(set(titles)))


def held_jobs(name: str) -> dict[str, list[str]]:
    """Unusual reasons for which submitted jobs wait in the queue, with the numbers of these jobs.

    Args:
        name: name of the jobs.
    """
    words = ["squeue", "--noheader", "--states=PENDING", f"--name={name}", "--format=%i|%r"]
    try:
        found = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    held: dict[str, list[str]] = {}
    for line in found.stdout.splitlines():
        job, _, why = line.partition("|")
        if why and why not in USUAL:
            held.setdefault(why, []).append(job)
    return held


def check_paths(*paths: str) -> None:
    """Raise UserError if a path holds a character that a shell reads; the text names path and character.

    Snakemake's plugin writes the paths of Python and the Snakefile into a job's script without quotes.
    """
    for path in paths:
        if found := SPECIAL.search(path):
            raise UserError(
                f"{path}: the path holds {found[0]!r}, and Slurm's jobs take such a path apart. Nothing was "
                "submitted. Clone into a folder with letters, digits and _@%+=:,./- alone in its path."
            )


def check_commands() -> None:
    """Raise UserError if Slurm's commands are missing; the text says what to do without them."""
    if missing := [name for name in COMMANDS if shutil.which(name) is None]:
        raise UserError(
            f"there is no command {missing[0]} here: start this on a login node of a Slurm cluster; without "
            "Slurm, `snakemake --cores N` runs all jobs on this machine"
        )


def _answer(command: str) -> str:
    """Slurm's reason for refusing a submission; empty if it is accepted."""
    words = f"{command} --test-only --wrap=true"
    try:
        found = subprocess.run(
            words, shell=True, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"sbatch timed out after {SECONDS:.0f} s"
    return reason(found.stderr or found.stdout, found.returncode) if found.returncode else ""


def reason(printed: str, code: int) -> str:
    """What sbatch printed, without its own name and the words that are in every error."""
    lines = [WORDS_OF_ALL.sub("", line) for line in printed.strip().splitlines()]
    return "; ".join(dict.fromkeys(line for line in lines if line)) or f"sbatch ended with code {code}"


def _title(item: Submission) -> str:
    return f"{item.phase} {item.experiment}" if item.experiment else item.phase


def _remedy(configuration: Configuration, item: Submission, words: str) -> str:
    """The options that may be wrong, each with its value and where it is set."""
    if "slurm_extra" in words:
        return (
            "change slurm_extra (--default-resources, --set-resources, or the profile); partition, account, "
            "QOS, constraint and GPU model have keys of their own in plan.slurm"
        )
    if re.search(r"MaxSubmitJob", words):
        return "you may have fewer jobs in the queue: lower --jobs, or wait until your other jobs have ended"
    possible: tuple[str, ...] = tuple(RESOURCES.values())
    for pattern, names in CAUSES:
        if re.search(pattern, words, re.IGNORECASE):
            possible = names
            break
    places = [text for name in possible if (text := _place(configuration, item, name))]
    change = (
        f"change {', or '.join(places) or 'options from --set-resources, --default-resources or the profile'}"
    )
    if "node configuration" in words:
        change += (
            "\n  if they are right, nodes may be drained (`sinfo -R`); --no-hooks submits without this check"
        )
    return change


def _place(configuration: Configuration, item: Submission, name: str) -> str:
    """Where an option is set, and its value; empty if the job has none and needs none."""
    domain = configuration.experiments[item.experiment].domain if item.experiment else None
    (resource,) = (theirs for theirs, ours in RESOURCES.items() if ours == name)
    value = item.resources.get(resource)
    gpus = item.resources.get("gpu")
    if name == "gpu_model" and not gpus:
        return ""
    key = configuration.plan.key_of(domain, item.phase, name)
    if value in (None, 0):
        return f"{key} (not set)" if name in ("partition", "account") else ""
    planned = getattr(configuration.plan.resources(domain, item.phase), name)
    together = item.members > 1 and name not in SLURM_OPTIONS
    if together:
        return f"{key} ({planned}; {value} for the {item.members} runs of a job, --group-components)"
    if value != planned:
        return f"{resource} ({value}; from --set-resources, --default-resources or the profile)"
    return f"{key} ({value})"


def check_signal(extra: str, variable: str) -> None:
    """Whether a job is warned before its time limit in a way that fpc understands.

    Args:
        extra: further options of the job (the resource ``slurm_extra``).
        variable: value of ``SBATCH_SIGNAL``, which holds if ``extra`` has no ``--signal``.

    Raises:
        UserError: it is not; the text says what to write.
    """
    own = re.findall(r"--signal[=\s]+['\"]?([^\s'\"]*)", extra)
    value = own[-1] if own else variable
    where = f"slurm_extra has --signal={value}" if own else f"{SIGNAL_VARIABLE} is {value!r}"
    known = {word for item in SIGNALS for word in (item.name, item.name.removeprefix("SIG"), str(item.value))}
    found = re.fullmatch(r"(?:R:)?(\w+)(?:@(\d+))?", value)
    if not (found and found.group(1).upper() in known and found.group(2) != "0"):
        saved = ", ".join(item.name for item in SIGNALS)
        raise UserError(
            f"{where}, at which runs would not save before their time limit: all processes of a job need the "
            f"warning (no `B:`), by one of {saved}. Leave it out, and --signal={SIGNAL} holds"
        )
