"""`fpc check`: whether this machine can run a scale: one line for each thing that is needed."""

from __future__ import annotations

import ctypes.util
import json
import os
import resource
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fpc.core.device import GPUFacts, inspect_gpu, is_too_old, oldest_driver, problem_of
from fpc.workflow.configuration import Configuration
from fpc.workflow.disk import Part, parts
from fpc.workflow.inputs import needed_inputs
from fpc.workflow.job_resources import JobResources
from fpc.workflow.run_table import rows, used_experiments
from fpc.workflow.slurm_facts import Partition, SlurmFacts, inspect_slurm

Verdict = Literal["ok", "warning", "problem"]
GB = 1e9
OPEN_FILES = 4096  # pipes and shared memory of 16 sampling processes, with room
LEAST_OPEN_FILES = 1024


@dataclass(frozen=True)
class Line:
    """One thing that is needed, what was found, and how to fix it."""

    what: str
    found: str
    needed: str
    verdict: Verdict
    remedy: str = ""


@dataclass(frozen=True)
class Room:
    """Free space of the file system that holds some places; None: it does not count files."""

    places: tuple[str, ...]
    free_bytes: int
    free_files: int | None
    needed_bytes: int
    needed_files: int


def check(configuration: Configuration) -> list[Line]:
    """All lines for a scale on this machine."""
    requests = job_requests(configuration)
    on_gpus = [request for request in requests if request.gpus]
    slurm = inspect_slurm()
    facts = inspect_gpu()
    # On a node with a driver, or in a job, the GPU itself is what the check is about.
    at_node = facts.driver is not None or "SLURM_JOB_ID" in os.environ
    elsewhere = not at_node and any(partition.gpus for partition in slurm.partitions)
    return [
        python_line(sys.version_info[:3]),
        *gpu_lines(facts, needed=bool(on_gpus), elsewhere=elsewhere),
        egl_line(ctypes.util.find_library("EGL")),
        open_files_line(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        *[line for room in rooms(parts(configuration, cuda=bool(on_gpus))) for line in room_lines(room)],
        *data_lines(configuration),
        *slurm_lines(slurm, requests),
    ]


def job_requests(configuration: Configuration) -> list[JobResources]:
    """What the jobs of a configuration request, by domain and phase."""
    domains = {name: section.domain for name, section in configuration.experiments.items()}
    kinds = dict.fromkeys((domains.get(row.experiment or ""), row.phase) for row in rows(configuration))
    return [configuration.plan.resources(domain, phase) for domain, phase in kinds]


def python_line(version: tuple[int, ...]) -> Line:
    """Python's version."""
    found = ".".join(map(str, version))
    right = version[:2] == (3, 11)
    remedy = "" if right else "load or install Python 3.11, remove .venv, and run make setup again"
    return Line("Python", found, "3.11", "ok" if right else "problem", remedy)


def gpu_lines(facts: GPUFacts, *, needed: bool, elsewhere: bool) -> Iterator[Line]:
    """Torch's build, the driver, and whether a kernel runs.

    Args:
        facts: what was found on this machine.
        needed: whether the plan has phases on GPUs.
        elsewhere: whether Slurm has nodes with GPUs, so that this one needs none.
    """
    for_cpus = facts.cuda is None
    built = f"{facts.torch}, for CPUs only" if for_cpus else f"{facts.torch}, for CUDA {facts.cuda}"
    setup = "make setup TORCH=cuda"
    yield Line(
        "torch",
        built,
        "a build for CUDA" if needed else "any build",
        "problem" if needed and for_cpus else "ok",
        setup if needed and for_cpus else "",
    )
    wanted = "one" if needed else "none"
    problem = problem_of(facts)
    here = facts.count > 0
    absent: Verdict = "ok" if not needed else "warning" if elsewhere else "problem"
    above = "" if absent == "ok" else "see GPU"
    on_node = "run fpc check in a job on a GPU node as well: srun --gpus=1 fpc check" if elsewhere else ""
    gpus = f"{facts.count} x {facts.name}, {facts.memory_mb} MB" if here else "none"
    yield Line(
        "GPU", gpus, wanted, "ok" if here else absent, "" if here or not needed else on_node or str(problem)
    )
    oldest, old = oldest_driver(facts), is_too_old(facts)
    yield Line(
        "NVIDIA driver",
        facts.driver or "none",
        f"{oldest} or newer" if needed and oldest else "any" if needed else "none",
        "problem" if old and needed else "ok" if facts.driver or not needed else absent,
        str(problem) if old and needed else "" if facts.driver else above,
    )
    ran = here and problem is None
    failing = here and not ran and needed
    yield Line(
        "kernels on the GPU",
        "run" if ran else "fail" if here else "not tried",
        "run" if needed else "none",
        "ok" if ran or not needed else "problem" if failing else absent,
        str(problem) if failing else "" if ran else above,
    )


def egl_line(library: str | None) -> Line:
    """EGL: rendering MuJoCo without a display; no figure needs it."""
    found = library or "none"
    return Line("EGL", found, "none (only to render Meta-World yourself)", "ok")


def open_files_line(limit: int) -> Line:
    """The limit on open files, which asynchronous sampling with many processes meets first."""
    unlimited = limit == resource.RLIM_INFINITY
    verdict: Verdict = "ok" if unlimited or limit >= OPEN_FILES else "warning"
    if not unlimited and limit < LEAST_OPEN_FILES:
        verdict = "problem"
    found = "no limit" if unlimited else str(limit)
    remedy = "" if verdict == "ok" else f"ulimit -n {OPEN_FILES} (in the shell that starts snakemake)"
    return Line("open files", found, str(OPEN_FILES), verdict, remedy)


def rooms(found: Iterable[Part]) -> list[Room]:
    """The file systems that the parts lie on, with what each must still take."""
    grouped: dict[int, list[Part]] = {}
    for part in found:
        grouped.setdefault(_existing(Path(part.name)).stat().st_dev, []).append(part)
    result = []
    for group in grouped.values():
        place = _existing(Path(group[0].name))
        status = os.statvfs(place)
        result.append(
            Room(
                tuple(part.name for part in group),
                status.f_bavail * status.f_frsize,
                status.f_favail if status.f_files else None,
                sum(part.bytes - part.made_bytes for part in group),
                sum(part.files - part.made_files for part in group),
            )
        )
    return result


def _existing(path: Path) -> Path:
    """The path, or its nearest parent that exists."""
    path = path.absolute()
    while not path.exists():
        path = path.parent
    return path


def room_lines(room: Room) -> Iterator[Line]:
    """Free bytes and files of a file system; quotas are not seen."""
    others = len(room.places) - 1
    name = room.places[0] + (f" and {others} more" if others else "")
    where = ", ".join(room.places)
    remedy = f"make room, or put one of these on another disk (a link): {where}"

    def line(what: str, found: str, needed: str, enough: bool) -> Line:
        verdict: Verdict = "ok" if enough else "problem"
        return Line(f"{what}: {name}", found, needed, verdict, "" if enough else remedy)

    enough = room.free_bytes >= room.needed_bytes
    yield line("disk", f"{room.free_bytes / GB:.1f} GB free", f"{room.needed_bytes / GB:.1f} GB more", enough)
    if room.free_files is not None:
        enough = room.free_files >= room.needed_files
        yield line("files", f"{room.free_files:,} free", f"{room.needed_files:,} more", enough)


def data_lines(configuration: Configuration) -> Iterator[Line]:
    """Third-party inputs: present, missing, or not the pinned content."""
    groups = needed_inputs(configuration, used_experiments(configuration)).values()
    inputs = {item.path: item for group in groups for item in group}
    for item in inputs.values():
        found = "present" if item.problem is None else item.problem
        verdict: Verdict = "ok" if item.problem is None else "problem"
        yield Line(f"data {item.name}", found, "present", verdict, " && ".join(item.commands))


def slurm_lines(facts: SlurmFacts, requests: Iterable[JobResources]) -> Iterator[Line]:
    """The cluster, and whether its nodes fit the jobs."""
    requests = list(requests)
    if facts.error is not None:
        serious = any(request.gpus for request in requests)
        remedy = "without Slurm, snakemake --cores N runs all jobs on this machine" if serious else ""
        yield Line("Slurm", facts.error, "for --profile slurm", "warning" if serious else "ok", remedy)
        return
    yield Line("Slurm", facts.version or "version unknown", "for --profile slurm", "ok")
    counted = "none" if facts.accounting is False else "slurmdbd" if facts.accounting else "unknown"
    yield Line("Slurm accounting", counted, "none (states come from squeue)", "ok")
    asked = {
        (item.gpus, item.cpus, item.mem_mb, item.partition or "", item.gpu_model or ""): item
        for item in requests
    }
    for key in sorted(asked):
        yield request_line(facts.partitions, asked[key])


def request_line(partitions: Iterable[Partition], request: JobResources) -> Line:
    """Whether a partition has a node on which such a job can run, and whether it would be sent there."""
    gpus = f", {_gpus(request)}" if request.gpus else ""
    needed = f"{request.cpus} cores, {request.mem_mb} MB{gpus}"
    partitions = list(partitions)
    fitting = list(dict.fromkeys(item.name for item in partitions if item.fits(request)))
    chosen = request.partition or next((item.name for item in partitions if item.is_default), None)
    kind = "gpu" if request.gpus else "cpu"
    what = f"nodes for {'GPU' if request.gpus else 'CPU'} jobs"
    if not fitting:
        listed = "; ".join(
            f"{item.name}: {item.cpus} cores, {item.memory_mb} MB, {_gpus(item)}" for item in partitions
        )
        return Line(what, listed or "no partition", needed, "problem", "lower cpus or mem_mb in plan.jobs")
    if chosen not in fitting:
        remedy = f"set plan.slurm.{kind}.partition to one of: {', '.join(fitting)}"
        return Line(what, f"not in partition {chosen}", needed, "problem", remedy)
    return Line(what, f"partition {chosen}", needed, "ok")


def _gpus(place: Partition | JobResources) -> str:
    return f"{place.gpus} GPU" + (f" {place.gpu_model}" if place.gpu_model else "")


def is_fine(lines: Iterable[Line]) -> bool:
    """Whether nothing is a problem."""
    return all(line.verdict != "problem" for line in lines)


def check_text(label: str, lines: list[Line]) -> str:
    """A table, with how to fix what is not ok below each line."""
    head = ("verdict", "what", "found", "needed")
    table = [head, *((line.verdict, line.what, line.found, line.needed) for line in lines)]
    widths = [max(len(row[index]) for row in table) for index in range(2)] + [36]
    text = []
    for row, remedy in zip(table, ["", *(line.remedy for line in lines)], strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        text.append("  ".join([*cells, row[3]]))
        text += [f"         -> {remedy}"] if remedy else []
    counts = {verdict: sum(line.verdict == verdict for line in lines) for verdict in ("problem", "warning")}
    text.append(f"scale {label}: {counts['problem']} problems, {counts['warning']} warnings")
    return "\n".join(text)


def as_json(lines: Iterable[Line]) -> str:
    """The lines as JSON."""
    return json.dumps([asdict(line) for line in lines], indent=2)
