"""Checkpoints of a running phase: tensors and JSON state, the newest two kept, checked when read."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc.core.files import read_json, read_tensors, sha256_of, write_json, write_tensors

if TYPE_CHECKING:
    from torch import Tensor

logger = logging.getLogger(__name__)
KEPT = 2


class NoUsableCheckpoint(RuntimeError):
    """Checkpoints exist but none can be read; starting again would silently discard training."""


@dataclass(frozen=True)
class Checkpoint:
    """What was saved at ``step``."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Save; the JSON file is written last and holds the digest of the tensors, so it is the commit."""
    weights = folder / f"checkpoint_{step:012d}.safetensors"
    write_tensors(weights, tensors)
    record = {"step": step, "tensors_sha256": sha256_of(weights), "state": dict(state)}
    write_json(weights.with_suffix(".json"), record)
    for old in sorted(folder.glob("checkpoint_*.json"))[:-KEPT]:
        old.unlink()
        old.with_suffix(".safetensors").unlink(missing_ok=True)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole; None where none was ever made.

    Raises:
        NoUsableCheckpoint: there are checkpoints, and none can be read.
    """
    records = sorted(folder.glob("checkpoint_*.json"), reverse=True)
    for record in records:
        try:
            content = read_json(record)
            tensors = read_tensors(record.with_suffix(".safetensors"), content["tensors_sha256"])
        except (OSError, ValueError, KeyError) as error:
            logger.warning("checkpoint %s cannot be used (%s); trying the one before", record, error)
            continue
        logger.info("continuing from %s", record)
        return Checkpoint(content["step"], tensors, content["state"])
    if records:
        raise NoUsableCheckpoint(
            f"{folder}: none of its {len(records)} checkpoints can be read; "
            "delete that folder to train this run again from the start"
        )
    return None
