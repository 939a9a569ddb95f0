"""Prints the facts about the GPU as JSON; run as a process: ``python -m fpc.core.gpu_probe``."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from dataclasses import replace

import torch

from fpc.core.device import GPUFacts, driver_version, in_container


def facts_here() -> GPUFacts:
    """The facts, seen from this process; opens a CUDA context in it if there is a GPU."""
    known = GPUFacts(
        torch=torch.__version__,
        cuda=torch.version.cuda,
        driver=driver_version(),
        container=in_container(),
        visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
    )
    if torch.version.cuda is None:
        return known
    with warnings.catch_warnings(record=True) as said:  # torch warns of a driver that is too old
        warnings.simplefilter("always")
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if count == 0:
        error = str(said[-1].message).splitlines()[0] if said else None
        return replace(known, error=error)
    found, error = torch.cuda.get_device_properties(0), kernel_error()
    return replace(
        known,
        count=count,
        name=found.name,
        capability=(found.major, found.minor),
        memory_mb=found.total_memory // 2**20,
        architectures=tuple(torch.cuda.get_arch_list()),
        error=error,
        exclusive=error is None and not second_process_works(),
    )


def kernel_error() -> str | None:
    """Run small kernels of the kinds that training needs; what went wrong, or None."""
    try:
        values = torch.ones(2, 3, 4, device="cuda", requires_grad=True)
        output, _ = torch.nn.LSTM(4, 4).cuda()(values)
        torch.nn.Conv1d(3, 2, 2).cuda()(output.transpose(0, 1).reshape(2, 3, 4)).sum().backward()
        torch.cuda.synchronize()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    return None


def second_process_works() -> bool:
    """Whether another process can use the GPU while this one does."""
    command = [sys.executable, "-c", "import torch; torch.ones(1, device='cuda').sum().item()"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


if __name__ == "__main__":
    print(json.dumps(facts_here().values()))
