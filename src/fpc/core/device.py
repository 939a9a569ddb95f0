"""Where networks run, and whether that device can be used. Importing it does not import torch.

The device is configuration (``plan.jobs.<domain>.<phase>.gpus``), never what the machine happens to have: the
same command gives the same numbers on a laptop and on a GPU workstation, and a run that should have a GPU
stops at once where there is none, instead of training on CPUs for weeks.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from fpc.core.errors import UserError

if TYPE_CHECKING:
    import torch

Device = Literal["cpu", "cuda"]

# Oldest Linux driver of a CUDA version's minor versions (NVIDIA, "CUDA Compatibility").
OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
DRIVER = Path("/proc/driver/nvidia/version")
PROBE_SECONDS = 600.0  # importing torch takes minutes on a slow network file system
WITHOUT_GPU = "To train without a GPU, which takes far longer, set plan.jobs.<domain>.<phase>.gpus to 0."


class NoUsableGPU(UserError):
    """A phase asks for a GPU that cannot be used; the text says why and how to fix it."""


@dataclass(frozen=True)
class GPUFacts:
    """What decides whether this process can use a GPU; None where it is not known."""

    torch: str  # version
    cuda: str | None  # CUDA version that torch was built for; None: a build for CPUs only
    driver: str | None = None  # version of the machine's NVIDIA driver, also where a container hides it
    container: bool = False  # inside Apptainer or Singularity
    visible: str | None = None  # CUDA_VISIBLE_DEVICES
    count: int = 0  # GPUs that torch sees
    name: str | None = None  # of the first one, like the rest
    capability: tuple[int, int] | None = None
    memory_mb: int | None = None
    architectures: tuple[str, ...] = ()  # that torch's kernels are compiled for: sm_80, ...
    exclusive: bool = False  # a second process cannot use the first GPU meanwhile
    error: str | None = None  # from counting the GPUs, or from small kernels run on the first one

    def values(self) -> dict[str, Any]:
        """The facts as JSON values."""
        return asdict(self)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """The inverse of ``values``."""
        pair = values["capability"]
        capability = None if pair is None else (int(pair[0]), int(pair[1]))
        architectures = tuple(values["architectures"])
        return cls(**values | {"capability": capability, "architectures": architectures})


def device_name(device: torch.device) -> str:
    """'cpu', or the name of a GPU; asked only by processes that use the device."""
    import torch

    return device.type if device.type != "cuda" else str(torch.cuda.get_device_name(device))


def release_gpu_memory() -> None:
    """Give memory that this process keeps for later tensors back to other processes on its GPU."""
    import torch

    torch.cuda.empty_cache()  # nothing without CUDA


def inspect_gpu() -> GPUFacts:
    """The facts about this machine's GPU.

    They are gathered by another process, which ends before this returns: a CUDA context here would occupy
    memory for the whole run, and on a GPU in exclusive mode keep the learner out.
    """
    command = [sys.executable, "-m", "fpc.core.gpu_probe"]
    try:
        probe = subprocess.run(command, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False)
        return GPUFacts.of(json.loads(probe.stdout.splitlines()[-1]))
    except subprocess.TimeoutExpired:
        reason = f"the check of the GPU did not end within {PROBE_SECONDS:.0f} seconds"
    except (ValueError, IndexError, KeyError, TypeError):  # killed, or torch cannot be imported
        reason = (probe.stderr.strip().splitlines() or [f"exit status {probe.returncode}"])[-1]
    return GPUFacts(torch="unknown", cuda="unknown", driver=driver_version(), error=reason)


def driver_version(file: Path = DRIVER) -> str | None:
    """Version of the machine's NVIDIA driver, as its kernel tells, also in a container without ``--nv``."""
    try:
        found = re.search(r"\b(\d{3,}\.\d+(?:\.\d+)?)\b", file.read_text(encoding="utf-8"))
    except OSError:
        return None
    return None if found is None else found.group(1)


def in_container() -> bool:
    """Whether this process runs in Apptainer or Singularity."""
    return any(name in os.environ for name in ("APPTAINER_CONTAINER", "SINGULARITY_CONTAINER"))


def problem_of(facts: GPUFacts) -> str | None:
    """Why a GPU cannot be used, and how to fix it; None if it can: kernels that ran are the last word."""
    if facts.count and facts.error is None:
        return _why_exclusive(facts) if facts.exclusive else None
    if facts.cuda is None:
        return (
            f"torch {facts.torch} is built for CPUs only; install the build for GPUs with: "
            "make setup TORCH=cuda"
        )
    if is_too_old(facts):
        return (
            f"the NVIDIA driver {facts.driver} is too old for torch {facts.torch}, which is built for CUDA "
            f"{facts.cuda} and needs driver {oldest_driver(facts)} or newer; use nodes with a newer driver, "
            "or ask the cluster's administrators"
        )
    return _why_none(facts) if facts.count == 0 else _why_failing(facts)


def require(device: Device, key: str) -> None:
    """Check that a device can be used; does nothing for CPUs.

    Args:
        device: what the configuration asks for.
        key: the configuration key that asks for it, for the message.

    Raises:
        NoUsableGPU: a GPU is asked for and cannot be used.
    """
    if device == "cpu":
        return
    problem = problem_of(inspect_gpu())
    if problem is not None:
        raise NoUsableGPU(f"{key} asks for a GPU, but {problem}. {WITHOUT_GPU}")


def oldest_driver(facts: GPUFacts) -> int | None:
    """Oldest driver, by its first number, that works with torch's build; None if it is not known."""
    number = re.match(r"\d+", facts.cuda or "")
    return OLDEST_DRIVER.get(int(number.group())) if number else None


def is_too_old(facts: GPUFacts) -> bool:
    """Whether the machine's driver is too old for torch's build."""
    oldest = oldest_driver(facts)
    return facts.driver is not None and oldest is not None and int(facts.driver.split(".")[0]) < oldest


def _why_none(facts: GPUFacts) -> str:
    said = "" if facts.error is None else f" (torch says: {facts.error})"
    if facts.driver is None:
        return (
            f"this machine has no NVIDIA driver{said}; start the run where there is a GPU "
            "(`nvidia-smi` lists it; with Slurm: --gpus=1)"
        )
    if facts.visible is not None and facts.visible.strip() in ("", "-1", "NoDevFiles"):
        return (
            f"CUDA_VISIBLE_DEVICES is '{facts.visible}', which hides all GPUs from this process; unset it, "
            "or request a GPU from the cluster (with Slurm: --gpus=1)"
        )
    if facts.container:
        return (
            f"this container sees no GPU{said}, although the machine has the driver {facts.driver}; start it "
            "with `apptainer exec --nv` (Snakemake: --apptainer-args='--nv')"
        )
    return (
        f"torch sees no GPU{said}, although the machine has the driver {facts.driver}; check "
        f"`nvidia-smi -L`, CUDA_VISIBLE_DEVICES ({facts.visible or 'not set'}), and that the job requests "
        "a GPU (with Slurm: --gpus=1)"
    )


def _why_exclusive(facts: GPUFacts) -> str:
    return (
        f"{facts.name or 'the GPU'} admits one process at a time (compute mode EXCLUSIVE_PROCESS), and APPO "
        "needs two, the learner and the policy; ask for a GPU in the default mode, or start NVIDIA's MPS in "
        "the job (nvidia-cuda-mps-control -d)"
    )


def _why_failing(facts: GPUFacts) -> str:
    name = facts.name or "the GPU"
    if facts.capability is not None and not supports(facts.architectures, facts.capability):
        major, minor = facts.capability
        return (
            f"{name} has compute capability {major}.{minor}, for which torch {facts.torch} (CUDA "
            f"{facts.cuda}) has no kernels (it has {', '.join(facts.architectures)}): {facts.error}; choose "
            "other GPUs, or install a torch build for an older CUDA version"
        )
    return (
        f"small kernels fail on {name}: {facts.error}; see `nvidia-smi` for other processes on it (in "
        "exclusive mode one at a time may use it), or try another node"
    )


def supports(architectures: tuple[str, ...], capability: tuple[int, int]) -> bool:
    """Whether torch's kernels run on a GPU of this compute capability.

    Compiled kernels (``sm_86``) run on GPUs of the same major and at least the same minor version, those that
    the driver compiles (``compute_90``) on any newer GPU.
    """
    for architecture in architectures:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)[af]?", architecture)
        if found is None:
            continue
        compiled = (int(found.group(2)), int(found.group(3)))
        same_major = compiled[0] == capability[0]
        if compiled <= capability and (same_major or found.group(1) == "compute"):
            return True
    return False
