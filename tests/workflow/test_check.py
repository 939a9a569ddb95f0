"""`fpc check`: one line for each thing that a scale needs, with its verdict and how to fix it."""

from __future__ import annotations

import json
import resource
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.workflow.chain import command_in

from fpc.core.device import GPUFacts
from fpc.workflow import check as checks
from fpc.workflow.check import (
    Line,
    Room,
    check_text,
    gpu_lines,
    is_fine,
    open_files_line,
    python_line,
    request_line,
    room_lines,
    slurm_lines,
)
from fpc.workflow.job_resources import JobResources
from fpc.workflow.loader import load
from fpc.workflow.slurm_facts import Partition, SlurmFacts, inspect_slurm, parse_partitions

A100 = GPUFacts(
    "2.13.0+cu130",
    "13.0",
    driver="580.82.07",
    count=1,
    name="NVIDIA A100",
    capability=(8, 0),
    memory_mb=81_000,
    architectures=("sm_80",),
)
SINFO = """cpu*|up|48|190000|(null)
gpu|up|64+|512000+|gpu:a100:4(S:0-1),lustre:1
gpu|up|32|256000|gpu:2
old|down|16|64000|gpu:v100:2
nonsense"""


def by_name(lines: list[Line]) -> dict[str, Line]:
    return {line.what: line for line in lines}


def request(**values: int | str | None) -> JobResources:
    return JobResources.model_validate({"runtime": 60, "mem_mb": 4000, "cpus": 1, "gpus": 0, **values})


def test_a_gpu_whose_kernels_run_is_fine() -> None:
    lines = list(gpu_lines(A100, needed=True, elsewhere=False))
    assert is_fine(lines)
    assert [line.what for line in lines] == ["torch", "GPU", "NVIDIA driver", "kernels on the GPU"]
    assert by_name(lines)["GPU"].found == "1 x NVIDIA A100, 81000 MB"
    assert by_name(lines)["NVIDIA driver"].needed == "580 or newer"
    assert all(line.remedy == "" for line in lines)


def test_the_build_for_cpus_is_a_problem_only_where_a_gpu_is_needed() -> None:
    built = GPUFacts("2.13.0+cpu", None)
    assert is_fine(gpu_lines(built, needed=False, elsewhere=False))
    line = by_name(list(gpu_lines(built, needed=True, elsewhere=True)))["torch"]
    assert (line.verdict, line.remedy) == ("problem", "make setup TORCH=cuda")


def test_a_login_node_without_gpu_is_only_warned_of() -> None:
    login = GPUFacts("2.13.0+cu130", "13.0")
    here = by_name(list(gpu_lines(login, needed=True, elsewhere=True)))
    assert is_fine(here.values())
    assert here["GPU"].verdict == here["kernels on the GPU"].verdict == "warning"
    assert "srun --gpus=1 fpc check" in here["GPU"].remedy
    alone = by_name(list(gpu_lines(login, needed=True, elsewhere=False)))
    assert alone["GPU"].verdict == "problem"
    assert "no NVIDIA driver" in alone["GPU"].remedy


def test_an_old_driver_and_failing_kernels_are_problems_with_their_reasons() -> None:
    old = GPUFacts("2.13.0+cu130", "13.0", driver="535.104.05", error="driver too old")
    line = by_name(list(gpu_lines(old, needed=True, elsewhere=True)))["NVIDIA driver"]
    assert line.verdict == "problem"
    assert "535.104.05 is too old" in line.remedy
    volta = GPUFacts(**A100.values() | {"capability": (7, 0), "error": "no kernel image", "name": "V100"})
    line = by_name(list(gpu_lines(volta, needed=True, elsewhere=True)))["kernels on the GPU"]
    assert (line.found, line.verdict) == ("fail", "problem")
    assert "compute capability 7.0" in line.remedy


def test_an_exclusive_gpu_is_a_problem() -> None:
    lines = list(gpu_lines(GPUFacts(**A100.values() | {"exclusive": True}), needed=True, elsewhere=False))
    line = by_name(lines)["kernels on the GPU"]
    assert (line.found, line.verdict) == ("fail", "problem")
    assert "EXCLUSIVE_PROCESS" in line.remedy


@pytest.mark.usefixtures("project")
def test_on_a_node_with_a_driver_its_own_gpu_is_what_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm has GPUs elsewhere, but a container without them hides the one of this node."""
    hidden = GPUFacts("2.13.0+cu130", "13.0", driver="580.82.07", container=True)
    partitions = tuple(parse_partitions(SINFO))
    monkeypatch.setattr(checks, "inspect_gpu", lambda: hidden)
    monkeypatch.setattr(checks, "inspect_slurm", lambda: replace(inspect_slurm(), partitions=partitions))
    line = by_name(checks.check(load("paper")))["GPU"]
    assert line.verdict == "problem"
    assert "--nv" in line.remedy


def test_room_is_bytes_and_files() -> None:
    room = Room(("results", ".dvc/cache"), 5_000_000_000, 100, 9_000_000_000, 40)
    size, files = room_lines(room)
    assert (size.what, size.found, size.needed) == ("disk: results and 1 more", "5.0 GB free", "9.0 GB more")
    assert (size.verdict, files.verdict) == ("problem", "ok")
    assert "results, .dvc/cache" in size.remedy
    assert [line.verdict for line in room_lines(Room(("a",), 1, 1, 1, 2))] == ["ok", "problem"]
    assert len(list(room_lines(Room(("a",), 1, None, 1, 2)))) == 1  # some file systems do not count files


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [(256, "problem"), (1024, "warning"), (4096, "ok"), (resource.RLIM_INFINITY, "ok")],
)
def test_the_limit_on_open_files(limit: int, verdict: str) -> None:
    assert open_files_line(limit).verdict == verdict


def test_another_python_is_a_problem() -> None:
    assert python_line((3, 12, 1)).verdict == "problem"
    assert python_line((3, 11, 2)).verdict == "ok"


def test_partitions_are_read_from_sinfo() -> None:
    assert parse_partitions(SINFO.splitlines()) == [
        Partition("cpu", True, True, 48, 190_000, 0),
        Partition("gpu", False, True, 64, 512_000, 4, "a100"),
        Partition("gpu", False, True, 32, 256_000, 2),
        Partition("old", False, False, 16, 64_000, 2, "v100"),
    ]


def test_jobs_must_fit_a_node_of_the_partition_they_are_sent_to() -> None:
    nodes = parse_partitions(SINFO.splitlines())
    assert request_line(nodes, request()).verdict == "ok"
    lost = request_line(nodes, request(gpus=1, cpus=12))
    assert (lost.verdict, lost.remedy) == ("problem", "set plan.slurm.gpu.partition to one of: gpu")
    assert request_line(nodes, request(gpus=1, cpus=12, partition="gpu")).verdict == "ok"
    v100 = request_line(nodes, request(gpus=1, partition="gpu", gpu_model="v100"))  # that partition is down
    assert v100.verdict == "problem"
    assert (v100.needed, "gpu: 64 cores, 512000 MB, 4 GPU a100" in v100.found) == (
        "1 cores, 4000 MB, 1 GPU v100",
        True,
    )
    huge = request_line(nodes, request(gpus=1, cpus=65, partition="gpu"))
    assert (huge.verdict, huge.remedy) == ("problem", "lower cpus or mem_mb in plan.jobs")
    assert request_line(nodes, request(gpus=2, partition="old")).verdict == "problem"  # it is down
    facts = SlurmFacts("23.11.4", True, tuple(nodes))
    lines = list(slurm_lines(facts, [request(), request(gpus=1, partition="gpu")]))
    assert [line.what for line in lines] == [
        "Slurm",
        "Slurm accounting",
        "nodes for CPU jobs",
        "nodes for GPU jobs",
    ]
    assert is_fine(lines)


def test_slurm_is_wanted_only_where_there_are_gpu_jobs() -> None:
    none = SlurmFacts(error="there is no command sinfo")
    assert [line.verdict for line in slurm_lines(none, [request()])] == ["ok"]
    assert [line.verdict for line in slurm_lines(none, [request(gpus=1)])] == ["warning"]


def test_slurm_is_asked_without_failing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert inspect_slurm() == SlurmFacts(error="there is no command sinfo")
    for name, script in (
        ("sinfo", 'case $1 in --version) echo "slurm 23.11.4";; *) echo "main*|up|2|7000|gpu:2";; esac'),
        ("scontrol", 'echo "AccountingStorageType   = accounting_storage/slurmdbd"'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    assert inspect_slurm() == SlurmFacts("23.11.4", True, (Partition("main", True, True, 2, 7000, 2),))
    (tmp_path / "sinfo").write_text(
        "#!/bin/sh\necho 'sinfo: error: no route' >&2; exit 1\n", encoding="utf-8"
    )
    assert inspect_slurm() == SlurmFacts(error="sinfo does not reach a controller: no route")


def test_the_table_has_the_remedy_below_the_line() -> None:
    lines = [Line("torch", "2", "2", "ok"), Line("GPU", "none", "one", "problem", "buy one")]
    assert check_text("paper", lines).splitlines() == [
        "verdict  what   found                                 needed",
        "ok       torch  2                                     2",
        "problem  GPU    none                                  one",
        "         -> buy one",
        "scale paper: 1 problems, 0 warnings",
    ]


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """``fpc check`` where no GPU and no command of Slurm can be found."""
    return command_in(project, "fpc", "check", *arguments, CUDA_VISIBLE_DEVICES="", PATH="/nowhere")


def test_a_machine_without_gpu_and_slurm_can_run_demo_but_not_paper(project: Path) -> None:
    demo = run(project, "--scale", "demo")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert demo.stdout.endswith("scale demo: 0 problems, 0 warnings\n")
    paper = run(project, "--scale", "paper", "--json")
    assert paper.returncode == 1
    lines = {line["what"]: line for line in json.loads(paper.stdout)}
    assert lines["GPU"]["verdict"] == "problem"
    assert lines["data nld_aa"] == {
        "what": "data nld_aa",
        "found": "missing",
        "needed": "present",
        "verdict": "problem",
        "remedy": "fpc fetch nld_aa",
    }
    assert lines["Slurm"]["found"] == "there is no command sinfo"
    assert set(lines["Python"]) == {"what", "found", "needed", "verdict", "remedy"}
