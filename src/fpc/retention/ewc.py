"""Elastic weight consolidation (EWC): stay close to pi*'s parameters, weighted by their importance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Self

from pydantic import Field, model_validator

from fpc.config.base import NonNegativeFloat, PositiveInt
from fpc.core.errors import ConfigError, DataError
from fpc.retention.interface import (
    ExpertData,
    MethodOptions,
    Need,
    Policy,
    RecurrentPolicy,
    RetentionBatch,
    RetentionContext,
    RetentionMethod,
)

if TYPE_CHECKING:
    from torch import Tensor


def _is_none(value: object) -> bool:
    return value is None


class EWCOptions(MethodOptions):
    """Weight of the penalty, and how the Fisher information is estimated."""

    coefficient: NonNegativeFloat = Field(description="Weight of the quadratic penalty.")
    fisher_samples: PositiveInt = Field(
        description="Expert states over which the Fisher information is averaged."
    )
    fisher_floor: NonNegativeFloat = Field(description="Lower bound on each parameter's Fisher information.")
    floor_samples: bool = Field(
        default=False,
        description="Apply fisher_floor to each state's Fisher information before averaging over states "
        "(RoboticSequence's base code); false: to the average only.",
    )
    squashed_mean: bool = Field(
        default=False,
        description="SAC: gradients of the action's mean after tanh (base code); false: before tanh, which "
        "is the Fisher information of the action distribution itself.",
    )
    fisher_batches: PositiveInt | None = Field(
        default=None,
        exclude_if=_is_none,  # newer than published results: unused, it leaves their digests unchanged
        description="Number of batches of fisher_samples states for an estimate from the squared gradient of "
        "each batch's mean cross-entropy (NetHack); null: exact expectation over actions, on one batch.",
    )
    coefficient_batch: PositiveInt | None = Field(
        default=None,
        description="Size of the Fisher batches for which `coefficient` was chosen: the square of a batch's "
        "mean gradient depends on the batch's size, so an estimate from batches of another size is converted "
        "to this one; null: fisher_samples. Requires fisher_batches.",
    )

    @model_validator(mode="after")
    def _only_batches_have_a_size(self) -> Self:
        if self.coefficient_batch is not None and self.fisher_batches is None:
            raise ValueError(
                "coefficient_batch is for the estimate from batches; the exact Fisher information does not "
                "depend on a batch size: set fisher_batches, or remove coefficient_batch"
            )
        return self


class EWC(RetentionMethod):
    """``c sum_i F_i (theta_i - theta*_i)^2`` with the diagonal Fisher information F at theta*.

    Source: paper section 2, after Kirkpatrick et al. 2017; floor and number of samples as in
    Continual World. Only ``anchored_parameters`` are penalised: the policy's, without per-stage heads.
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
            raise ValueError(
                "EWC needs expert data for its Fisher information, but this learner provides none"
            )
        self.run_dimensions = context.run_dimensions
        fisher = self._fisher(context, context.expert)
        values = losses.flatten_parameters(fisher.values(), self.run_dimensions)
        self.fisher = values.clamp(min=self.options.fisher_floor)
        self.anchors = self._flat_parameters(context.student).detach().clone()

    def _fisher(self, context: RetentionContext, expert: ExpertData) -> dict[str, Tensor]:
        from fpc.retention.batch_fisher import batch_fisher
        from fpc.retention.fisher import diagonal_fisher

        student = context.student
        sampler = expert.sampler(self.options.fisher_samples, context.generator)
        batches = self.options.fisher_batches
        if batches is not None:
            if self.run_dimensions:
                raise ConfigError("fisher_batches does not support runs trained side by side; set it to null")
            size = self.options.fisher_samples
            relative_size = size / (self.options.coefficient_batch or size)
            return batch_fisher(student, sampler, batches, relative_size, context.preparation)
        if isinstance(student, RecurrentPolicy):
            raise ConfigError("EWC on a recurrent policy needs the option fisher_batches")
        floor = self.options.fisher_floor if self.options.floor_samples else 0.0
        observations = sampler.sample_observations()
        return diagonal_fisher(
            student, observations, self.run_dimensions, floor=floor, squashed=self.options.squashed_mean
        )

    def _flat_parameters(self, student: Policy) -> Tensor:
        from fpc.retention import losses

        return losses.flatten_parameters(student.anchored_parameters().values(), self.run_dimensions)

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """Weighted quadratic penalty, ``[*runs]``."""
        from fpc.retention import losses

        parameters = self._flat_parameters(batch.student)
        coefficient: float = self.options.coefficient
        return losses.quadratic_penalty(parameters, self.anchors, self.fisher) * coefficient

    def state_dict(self) -> dict[str, Tensor]:
        """Anchors and Fisher information ``[*runs, M]``: a resumed student is no longer pi*."""
        return {"anchors": self.anchors, "fisher": self.fisher}

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore anchors and Fisher information.

        Raises:
            DataError: their shape does not match the policy's parameters.
        """
        self.run_dimensions = context.run_dimensions
        parameters = self._flat_parameters(context.student)
        self.anchors, self.fisher = (state[name].to(parameters.device) for name in ("anchors", "fisher"))
        if parameters.shape != self.anchors.shape:
            raise DataError(
                f"the stored EWC anchors have shape {tuple(self.anchors.shape)}, "
                f"the policy's parameters {tuple(parameters.shape)}: the checkpoint is of another policy"
            )
