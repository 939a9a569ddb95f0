"""Milestones: the weights of a fine-tuning run at given environment steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fpc.core.errors import DataError
from fpc.core.files import write_tensors

if TYPE_CHECKING:
    from torch import Tensor


def write_milestone(folder: Path, step: int, weights: Mapping[str, Tensor]) -> None:
    """Write the weights after ``step`` environment steps to ``folder``, atomically."""
    write_tensors(milestone_path(folder, step), weights)


def milestone_path(folder: Path, step: int) -> Path:
    """Path of the weights after ``step`` environment steps."""
    return folder / "milestones" / f"step_{step}.safetensors"


def milestone_steps(steps: int, every: int, early: Sequence[int] = ()) -> tuple[int, ...]:
    """0, every, 2 every, ..., ``steps``, and those of ``early`` below ``steps``, in ascending order.

    Early ones show what the first updates do to pi*, long before the first regular milestone. They are
    dropped, not rejected, where a method's own budget is shorter than the experiment's; the configuration
    rejects those that no run of the experiment would reach.
    """
    return tuple(sorted({*range(0, steps + 1, every), *(step for step in early if step < steps), steps}))


def find_milestones(folder: Path) -> dict[int, Path]:
    """Paths of the weights by environment step, in ascending order.

    Raises:
        DataError: there are no milestones.
    """
    found = {
        int(path.stem.removeprefix("step_")): path
        for path in (folder / "milestones").glob("step_*.safetensors")
    }
    if not found:
        raise DataError(f"{folder}/milestones holds no step_<n>.safetensors; run finetune again")
    return dict(sorted(found.items()))
