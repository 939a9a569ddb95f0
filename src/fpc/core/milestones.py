"""Milestones: weights of a fine-tuned run after some numbers of environment steps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from fpc.core.files import write_tensors

if TYPE_CHECKING:
    from torch import Tensor


def write_milestone(folder: Path, step: int, weights: Mapping[str, Tensor]) -> None:
    """Write the weights after ``step`` environment steps into ``folder``, atomically."""
    write_tensors(milestone_path(folder, step), weights)


def milestone_path(folder: Path, step: int) -> Path:
    """File of the weights after ``step`` environment steps."""
    return folder / "milestones" / f"step_{step}.safetensors"


def milestone_steps(steps: int, every: int) -> tuple[int, ...]:
    """0, every, 2 every, ... and ``steps``."""
    return tuple(sorted({*range(0, steps + 1, every), steps}))


def find_milestones(folder: Path) -> dict[int, Path]:
    """Weights by environment step, rising.

    Raises:
        ValueError: there are none.
    """
    found = {
        int(path.stem.removeprefix("step_")): path
        for path in (folder / "milestones").glob("step_*.safetensors")
    }
    if not found:
        raise ValueError(f"{folder}/milestones holds no step_<n>.safetensors; run finetune again")
    return dict(sorted(found.items()))
