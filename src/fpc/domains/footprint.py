"""What a run leaves on the disk, from the sizes of networks and data alone: nothing is made or loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

CHECKPOINTS = 2  # kept of a run in progress: fpc.core.checkpoint
# Times the weights that a checkpoint of APPO holds: they themselves, Adam's two moments, and EWC's anchor and
# Fisher information (or a teacher).
TRAINING_STATE = 5
TABLES = 200_000  # bytes of a run's tables, rounded up from those of `laptop`


@dataclass(frozen=True)
class Footprint:
    """The files of one run of a phase."""

    bytes: int  # of its artifact
    files: int  # in its artifact's folder
    checkpoints: int = 0  # bytes that resuming needs, while the run is not finished


def tensor_bytes(tensors: Mapping[str, Tensor]) -> int:
    """Bytes of these tensors in a file; they may be on the device ``meta``."""
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def trained(weights: int, milestones: int, checkpoint: int) -> Footprint:
    """Footprint of a fine-tuning run: milestones, a table and a manifest.

    Args:
        weights: bytes of a milestone.
        milestones: number of milestones.
        checkpoint: bytes of one checkpoint.
    """
    return Footprint(milestones * weights + TABLES, milestones + 2, CHECKPOINTS * checkpoint)
