"""Checkpoints of a running phase: tensors and JSON state.

The newest two are kept; digests are checked on reading.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.core.errors import UserError
from fpc.core.files import read_json, read_tensors, sha256_of, write_json, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)
KEPT = 2


class NoUsableCheckpoint(UserError):
    """Checkpoints exist but none can be read; starting over would silently discard training."""


@dataclass(frozen=True)
class Checkpoint:
    """The tensors and JSON state saved at ``step``."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def selected(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with ``prefix``, under the rest of their names."""
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Save a checkpoint and delete all but the newest two.

    The JSON file is written last and holds the tensors' digest: the checkpoint exists once that file does.
    """
    weights = folder / f"checkpoint_{step:012d}.safetensors"
    write_tensors(weights, tensors)
    record = {"step": step, "tensors_sha256": sha256_of(weights), "state": dict(state)}
    write_json(weights.with_suffix(".json"), record)
    for old in sorted(folder.glob("checkpoint_*.json"))[:-KEPT]:
        old.unlink()
        old.with_suffix(".safetensors").unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest intact checkpoint, or None if there are no checkpoints.

    Raises:
        NoUsableCheckpoint: checkpoints exist, but none can be read.
    """
    records = sorted(folder.glob("checkpoint_*.json"), reverse=True)
    for record in records:
        try:
            content = read_json(record)
            tensors = read_tensors(record.with_suffix(".safetensors"), content["tensors_sha256"])
        except (OSError, ValueError, KeyError) as error:
            logger.warning("checkpoint %s is unusable (%s); trying the previous one", record, error)
            continue
        logger.info("continuing from %s", record)
        return Checkpoint(content["step"], tensors, content["state"])
    if records:
        raise NoUsableCheckpoint(
            f"{folder}: none of the {len(records)} checkpoints can be read; "
            "delete the folder to train this run again from the start"
        )
    return None
