"""L2 anchoring: stay close to pi*'s parameters, all of them alike (EWC without Fisher information)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from fpc.config.base import NonNegativeFloat
from fpc.retention.interface import MethodOptions, RetentionBatch, RetentionContext, RetentionMethod

if TYPE_CHECKING:
    from torch import Tensor


class L2Options(MethodOptions):
    """How strongly."""

    coefficient: NonNegativeFloat = Field(description="Weight of the squared distance.")


class L2(RetentionMethod):
    """``c sum_i (theta_i - theta*_i)^2`` over ``anchored_parameters``.

    Source: the L2 baseline of Kirkpatrick et al. 2017; not in the paper that this project reproduces.
    """

    label: ClassVar[str] = "L2"
    colour: ClassVar[str] = "#56B4E9"
    Options: ClassVar[type[MethodOptions]] = L2Options
    anchors: dict[str, Tensor]

    def prepare(self, context: RetentionContext) -> None:
        """Anchor at the student's parameters, which are pi*'s before the first update."""
        parameters = context.student.anchored_parameters()
        self.anchors = {name: value.detach().clone() for name, value in parameters.items()}

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """The weighted squared distance, ``[...]``: one value a run."""
        from fpc.retention import losses

        runs = batch.observations.dim() - 2
        parameters = losses.flatten_parameters(batch.student.anchored_parameters().values(), runs)
        anchors = losses.flatten_parameters(self.anchors.values(), runs)
        coefficient: float = self.options.coefficient
        return (parameters - anchors).square().sum(-1) * coefficient

    def state_dict(self) -> dict[str, Tensor]:
        """The anchors: a resumed student is no longer pi*."""
        return self.anchors

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore the anchors."""
        self.anchors = dict(state)
