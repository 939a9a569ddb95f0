"""Weights of milestones: a file holds what fine-tuning has changed, all other tensors are pi*'s."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from fpc.core.files import read_tensors


def changed_weights(weights: Mapping[str, Tensor], pi_star: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that do not equal pi*'s bit for bit; possibly none."""
    return {
        name: value
        for name, value in weights.items()
        if name not in pi_star or not _same_bits(value, pi_star[name])
    }


def complete_weights(path: Path, pi_star: Path | None = None) -> dict[str, Tensor]:
    """All weights of a milestone: pi*'s, overlaid by those in the milestone's file.

    Args:
        path: safetensors, of a milestone or of a whole policy.
        pi_star: safetensors of pi*; None: the file is complete, as pi*'s own and those of `scratch` are.

    Raises:
        DataError: a file is not safetensors.
    """
    base = {} if pi_star is None else read_tensors(pi_star)
    return base | read_tensors(path)


def _same_bits(one: Tensor, other: Tensor) -> bool:
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    return bool(one.cpu().numpy().tobytes() == other.cpu().numpy().tobytes())
