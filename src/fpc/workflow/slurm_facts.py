"""What a Slurm cluster offers: its version, accounting and partitions, as its own commands tell."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from fpc.workflow.job_resources import JobResources

SECONDS = 20.0
FORMAT = "%P|%a|%c|%m|%G"


@dataclass(frozen=True)
class Partition:
    """Nodes of one kind in a partition."""

    name: str
    is_default: bool
    is_up: bool
    cpus: int  # of a node; the smallest, if they differ
    memory_mb: int
    gpus: int  # of a node
    gpu_model: str | None = None

    def fits(self, request: JobResources) -> bool:
        """Whether one node can run such a job."""
        large = self.cpus >= request.cpus and self.memory_mb >= request.mem_mb and self.gpus >= request.gpus
        return self.is_up and large and request.gpu_model in (None, self.gpu_model)


@dataclass(frozen=True)
class SlurmFacts:
    """The cluster; ``error`` says why it cannot be asked."""

    version: str | None = None
    accounting: bool | None = None
    partitions: tuple[Partition, ...] = ()
    error: str | None = None


def inspect_slurm() -> SlurmFacts:
    """Ask sinfo and scontrol; never raises."""
    if shutil.which("sinfo") is None:
        return SlurmFacts(error="there is no command sinfo")
    version = _answer("sinfo", "--version")
    number = None if isinstance(version, Failure) else version.split()[-1]
    listed = _answer("sinfo", "--noheader", f"--format={FORMAT}")
    if isinstance(listed, Failure):
        return SlurmFacts(number, error=f"sinfo does not reach a controller: {listed.reason}")
    settings = _answer("scontrol", "show", "config")
    accounting = None if isinstance(settings, Failure) else _accounting(settings)
    return SlurmFacts(number, accounting, tuple(parse_partitions(listed.splitlines())))


@dataclass(frozen=True)
class Failure:
    """A command that failed."""

    reason: str


def _answer(*command: str) -> str | Failure:
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return Failure(str(error))
    if found.returncode:
        last = (found.stderr.strip().splitlines() or [f"exit status {found.returncode}"])[-1]
        return Failure(re.sub(r"^\w+: (fatal|error): ", "", last))
    return found.stdout.strip()


def _accounting(settings: str) -> bool | None:
    found = re.search(r"^AccountingStorageType\s*=\s*(\S+)", settings, re.MULTILINE)
    return None if found is None else "slurmdbd" in found.group(1)


def parse_partitions(lines: Iterable[str]) -> list[Partition]:
    """Partitions in lines of ``sinfo --noheader --format='%P|%a|%c|%m|%G'``; other lines are left out."""
    found = []
    for line in lines:
        parts = [part.strip() for part in line.split("|")]
        if len(parts) != 5 or not _number(parts[2]):
            continue
        name, up, cpus, memory, gres = parts
        gpus, model = _gpus(gres)
        is_default = name.endswith("*")
        found.append(
            Partition(name.rstrip("*"), is_default, up == "up", _number(cpus), _number(memory), gpus, model)
        )
    return found


def _number(text: str) -> int:
    """64 of `64` or `64+`; 0 if there is none."""
    found = re.match(r"\d+", text)
    return int(found.group()) if found else 0


def _gpus(gres: str) -> tuple[int, str | None]:
    """Number and model of the GPUs in a node's generic resources, such as `gpu:a100:4(S:0-1),lustre:1`."""
    count, model = 0, None
    for found in re.finditer(r"(?:^|,)gpu(?::([A-Za-z][^:,(]*))?(?::(\d+))?", gres):
        count += int(found.group(2) or 1)
        model = model or found.group(1)
    return count, model
