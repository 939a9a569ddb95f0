"""Fine-tuning from pi* with the learner's own loss alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from fpc.retention.interface import RetentionBatch, RetentionMethod

if TYPE_CHECKING:
    from torch import Tensor


class Vanilla(RetentionMethod):
    """Starts from pi* and adds no term."""

    label: ClassVar[str] = "Vanilla"
    colour: ClassVar[str] = "#D55E00"
    adds_term: ClassVar[bool] = False

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """No term."""
        return None
