"""``CUDA_VISIBLE_DEVICES`` as Sample Factory reads it.

Sample Factory takes it for a list of numbers. Clusters also name a job's GPU by its UUID (``GPU-...``) or as
a part of a GPU (``MIG-...``), which no number replaces. But CUDA reads the variable only once, when a process
initialises it: so a process that uses the GPU does that first, and then shows Sample Factory the number 0,
which is torch's own for the first visible GPU.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from fpc.core.device import Device

VISIBLE = "CUDA_VISIBLE_DEVICES"
FIRST, NONE = "0", ""


@contextmanager
def numbered_gpu(device: Device) -> Iterator[None]:
    """In the block, the variable names the first visible GPU by number, or none for a run on CPUs.

    Processes that are started after the block inherit the variable as it was.
    """
    before = os.environ.get(VISIBLE)
    os.environ[VISIBLE] = FIRST if device == "cuda" else NONE
    try:
        yield
    finally:
        if before is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = before


def begin_on_gpu(begin: Callable[..., None], *arguments: Any) -> None:
    """What a process that uses the GPU does first, before Sample Factory's own ``begin(*arguments)``."""
    torch.cuda.init()  # type: ignore[no-untyped-call]
    os.environ[VISIBLE] = FIRST
    begin(*arguments)
