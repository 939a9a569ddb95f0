"""Elastic weight consolidation (EWC): stay close to pi*'s parameters, where they matter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from fpc.config.base import NonNegativeFloat, PositiveInt
from fpc.retention.interface import (
    ExpertData,
    MethodOptions,
    Need,
    Policy,
    RetentionBatch,
    RetentionContext,
    RetentionMethod,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor


def _is_none(value: object) -> bool:
    return value is None


class EWCOptions(MethodOptions):
    """How strongly, and how the Fisher information is estimated."""

    coefficient: NonNegativeFloat = Field(description="Weight of the quadratic penalty.")
    fisher_samples: PositiveInt = Field(description="Expert states the Fisher information is averaged over.")
    fisher_floor: NonNegativeFloat = Field(description="Smallest Fisher information of a parameter.")
    fisher_batches: PositiveInt | None = Field(
        default=None,
        exclude_if=_is_none,  # younger than published results: where it is not used, digests stay
        description="Estimate from so many batches of fisher_samples states, by the squared gradient of each "
        "batch's mean cross-entropy (NetHack); null is exact on one draw.",
    )


class EWC(RetentionMethod):
    """``c sum_i F_i (theta_i - theta*_i)^2`` with the diagonal Fisher information F at theta*.

    Source: paper section 2, after Kirkpatrick et al. 2017; floor and sample number as in
    Continual World. Only ``anchored_parameters`` are held: the policy's, without per-stage heads.
    """

    label: ClassVar[str] = "EWC"
    colour: ClassVar[str] = "#009E73"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.EXPERT_DATA})
    Options: ClassVar[type[MethodOptions]] = EWCOptions
    anchors: Tensor
    fisher: Tensor
    run_dimensions: int

    def prepare(self, context: RetentionContext) -> None:
        """Anchor at the student's parameters, which are pi*'s before the first update."""
        from fpc.retention import losses

        if context.expert is None:
            raise ValueError("EWC needs expert data for its Fisher information, and this learner gave none")
        fisher = self._fisher(context.student, context.expert, context.generator)
        values = losses.flatten_parameters(fisher.values(), self.run_dimensions)
        self.fisher = values.clamp(min=self.options.fisher_floor)
        self.anchors = self._flat_parameters(context.student.anchored_parameters()).detach().clone()

    def _fisher(self, student: Policy, expert: ExpertData, generator: torch.Generator) -> dict[str, Tensor]:
        from fpc.retention.fisher import batch_fisher, diagonal_fisher

        size, batches = self.options.fisher_samples, self.options.fisher_batches
        if batches is not None:
            self.run_dimensions = 0
            return batch_fisher(student, (expert.observations(size, generator) for _ in range(batches)))
        observations = expert.observations(size, generator)
        if not hasattr(observations, "dim"):
            raise ValueError("EWC on sequences of a recurrent policy needs the option fisher_batches")
        self.run_dimensions = observations.dim() - 2
        return diagonal_fisher(student, observations)

    def _flat_parameters(self, parameters: Mapping[str, Tensor]) -> Tensor:
        from fpc.retention import losses

        return losses.flatten_parameters(parameters.values(), self.run_dimensions)

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """The weighted penalty, ``[...]``: one value a run."""
        from fpc.retention import losses

        parameters = self._flat_parameters(batch.student.anchored_parameters())
        coefficient: float = self.options.coefficient
        return losses.quadratic_penalty(parameters, self.anchors, self.fisher) * coefficient

    def state_dict(self) -> dict[str, Tensor]:
        """Anchors and Fisher information ``[..., M]``: a resumed student is no longer pi*."""
        return {"anchors": self.anchors, "fisher": self.fisher}

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore anchors and Fisher information.

        Raises:
            ValueError: they belong to a policy of another size.
        """
        like = next(iter(context.student.anchored_parameters().values()))
        self.anchors, self.fisher = (state[name].to(like.device) for name in ("anchors", "fisher"))
        self.run_dimensions = self.anchors.dim() - 1
        shape = self._flat_parameters(context.student.anchored_parameters()).shape
        if shape != self.anchors.shape:
            raise ValueError(
                f"the stored EWC anchors have shape {tuple(self.anchors.shape)}, "
                f"the policy's parameters {tuple(shape)}: the checkpoint is of another policy"
            )
