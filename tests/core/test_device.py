"""Whether a GPU can be used, and if not, why: from facts as machines report them."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fpc.core.device import (
    GPUFacts,
    NoUsableGPU,
    driver_version,
    inspect_gpu,
    problem_of,
    require,
    supports,
)

CUDA_13 = ("sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120", "compute_120")
A100 = GPUFacts(
    torch="2.13.0+cu130",
    cuda="13.0",
    driver="580.65.06",
    count=1,
    name="NVIDIA A100-SXM4-40GB",
    capability=(8, 0),
    memory_mb=40_000,
    architectures=CUDA_13,
)
NOTHING = replace(A100, count=0, name=None, capability=None, memory_mb=None, architectures=())
V100 = replace(
    A100,
    name="Tesla V100-SXM2-32GB",
    capability=(7, 0),
    error="CUDA error: no kernel image is available for execution on the device",
)
TOO_OLD = "The NVIDIA driver on your system is too old (found version 12080)."


def test_a_gpu_that_ran_kernels_has_no_problem() -> None:
    assert problem_of(A100) is None
    # A driver with NVIDIA's compatibility libraries: it is old, but it works.
    assert problem_of(replace(A100, driver="535.104.05")) is None


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (GPUFacts("2.13.0+cpu", None), ["built for CPUs only", "make setup TORCH=cuda"]),
        (replace(NOTHING, driver=None), ["no NVIDIA driver", "--gpus=1"]),
        (replace(NOTHING, container=True), ["container sees no GPU", "580.65.06", "--nv"]),
        (replace(NOTHING, container=True, driver="535.1.2"), ["535.1.2", "580 or newer"]),
        (replace(NOTHING, driver="570.86.15", error=TOO_OLD), ["570.86.15 is too old", "580 or newer"]),
        (replace(NOTHING, driver="470.82.01", cuda="12.6"), ["470.82.01 is too old", "525 or newer"]),
        (replace(NOTHING, visible=""), ["CUDA_VISIBLE_DEVICES is ''", "hides all GPUs"]),
        (replace(NOTHING, visible="-1"), ["CUDA_VISIBLE_DEVICES is '-1'"]),
        (replace(NOTHING, visible="GPU-5"), ["torch sees no GPU", "CUDA_VISIBLE_DEVICES (GPU-5)"]),
        (V100, ["Tesla V100", "compute capability 7.0", "sm_75, sm_80", "other GPUs"]),
        (replace(A100, exclusive=True), ["NVIDIA A100", "EXCLUSIVE_PROCESS", "two", "MPS"]),
        (
            replace(A100, error="CUDA-capable device(s) is/are busy or unavailable"),
            ["small kernels fail on NVIDIA A100", "busy", "exclusive"],
        ),
    ],
)
def test_every_reason_is_told_from_the_others_and_says_what_to_do(facts: GPUFacts, words: list[str]) -> None:
    problem = problem_of(facts)
    assert problem is not None
    for word in words:
        assert word in problem


@pytest.mark.parametrize(
    ("architectures", "capability", "expected"),
    [
        (CUDA_13, (8, 0), True),
        (CUDA_13, (8, 9), True),  # runs the kernels for 8.6
        (CUDA_13, (7, 0), False),  # Volta
        (CUDA_13, (12, 1), True),
        (("sm_90a",), (9, 0), True),
        (("sm_80",), (9, 0), False),  # compiled kernels do not run on another major version
        (("sm_80", "compute_80"), (9, 0), True),  # the driver compiles these
        (("compute_90",), (8, 0), False),
        ((), (8, 0), False),
    ],
)
def test_kernels_fit_a_compute_capability(
    architectures: tuple[str, ...], capability: tuple[int, int], expected: bool
) -> None:
    assert supports(architectures, capability) is expected


def test_facts_survive_the_way_from_the_process_that_gathers_them() -> None:
    assert GPUFacts.of(A100.values()) == A100
    assert GPUFacts.of(NOTHING.values()) == NOTHING


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
            "GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04)\n",
            "535.104.05",
        ),
        (
            "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.65.06  Release Build\n",
            "580.65.06",
        ),
    ],
)
def test_the_kernel_tells_the_drivers_version(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / "version"
    assert driver_version(file) is None
    file.write_text(text, encoding="utf-8")
    assert driver_version(file) == expected


def test_a_run_on_cpus_is_not_asked_about_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    require("cpu", "plan.jobs.nethack.finetune.gpus")


def test_a_machine_whose_gpus_are_hidden_is_refused_with_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    facts = inspect_gpu()
    assert facts.count == 0
    assert facts.torch[0].isdigit()
    with pytest.raises(
        NoUsableGPU, match=r"^plan\.jobs\.nethack\.finetune\.gpus asks for a GPU, but .*to 0\.$"
    ):
        require("cuda", "plan.jobs.nethack.finetune.gpus")


def test_a_failing_check_says_what_went_wrong(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "torch.py"
    broken.write_text(
        "raise ImportError('libcudart.so.13: cannot open shared object file')", encoding="utf-8"
    )
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")]))
    problem = problem_of(inspect_gpu())
    assert problem is not None
    assert "libcudart.so.13" in problem
