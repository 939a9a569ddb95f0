"""L2 anchoring: stay close to pi*'s parameters, all equally weighted (EWC without Fisher information)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from fpc.config.base import NonNegativeFloat
from fpc.retention.interface import (
    MethodOptions,
    Policy,
    RetentionBatch,
    RetentionContext,
    RetentionMethod,
)

if TYPE_CHECKING:
    from torch import Tensor


class L2Options(MethodOptions):
    """Weight of the penalty."""

    coefficient: NonNegativeFloat = Field(description="Weight of the squared distance.")


class L2(RetentionMethod):
    """``c sum_i (theta_i - theta*_i)^2`` over ``anchored_parameters``.

    Source: the L2 baseline of Kirkpatrick et al. 2017; not part of the paper reproduced here.
    """

    label: ClassVar[str] = "L2"
    colour: ClassVar[str] = "#56B4E9"
    Options: ClassVar[type[MethodOptions]] = L2Options
    anchors: Tensor
    run_dimensions: int

    def prepare(self, context: RetentionContext) -> None:
        """Anchor at the student's parameters, which are pi*'s before the first update."""
        self.run_dimensions = context.run_dimensions
        self.anchors = self._flat_parameters(context.student).detach().clone()

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """Weighted squared distance, ``[*runs]``."""
        coefficient: float = self.options.coefficient
        return (self._flat_parameters(batch.student) - self.anchors).square().sum(-1) * coefficient

    def _flat_parameters(self, student: Policy) -> Tensor:
        from fpc.retention import losses

        return losses.flatten_parameters(student.anchored_parameters().values(), self.run_dimensions)

    def state_dict(self) -> dict[str, Tensor]:
        """The anchors ``[*runs, M]``: a resumed student is no longer pi*."""
        return {"anchors": self.anchors}

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore the anchors."""
        self.run_dimensions = context.run_dimensions
        self.anchors = state["anchors"].to(self._flat_parameters(context.student).device)
