"""The file of Montezuma's expert data: screens are compressed, which makes it some thirty times smaller."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fpc.core.errors import DataError
from fpc.core.files import read_tensors, write_tensors

OBSERVATIONS, PACKED = "observations", "observations_zlib"
LEVEL = 9


def write_expert(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write expert data; ``observations`` uint8 ``[N, D]`` become ``observations_zlib`` uint8 ``[bytes]``."""
    rest = dict(tensors)
    frames = rest.pop(OBSERVATIONS).contiguous().numpy().tobytes()
    packed = np.frombuffer(zlib.compress(frames, LEVEL), np.uint8).copy()
    write_tensors(path, rest | {PACKED: torch.from_numpy(packed)})


def read_expert(path: Path) -> dict[str, Tensor]:
    """Read expert data as they were before they were written.

    Raises:
        DataError: the screens are missing or damaged, or are not as many as outputs.
    """
    tensors = read_tensors(path)
    if PACKED not in tensors or "outputs" not in tensors:
        raise DataError(f"{path}: {PACKED} or outputs are missing; run collect again")
    try:
        frames = bytearray(zlib.decompress(tensors.pop(PACKED).numpy().tobytes()))
    except zlib.error as error:
        raise DataError(f"{path}: {PACKED} cannot be decompressed ({error}); run collect again") from error
    states = len(tensors["outputs"])
    if not states or len(frames) % states:
        raise DataError(
            f"{path}: {len(frames)} bytes of screens do not divide by {states} states; run collect again"
        )
    return tensors | {OBSERVATIONS: torch.frombuffer(frames, dtype=torch.uint8).reshape(states, -1)}
