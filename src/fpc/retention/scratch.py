"""Training from a random initialisation: the baseline that shows the value of pre-training."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fpc.retention.interface import RetentionBatch, RetentionMethod

if TYPE_CHECKING:
    from torch import Tensor


class Scratch(RetentionMethod):
    """Does not start from pi* and adds no term."""

    label: ClassVar[str] = "Scratch"
    colour: ClassVar[str] = "#000000"
    adds_term: ClassVar[bool] = False
    pretrained: ClassVar[bool] = False

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """No term."""
        return None
