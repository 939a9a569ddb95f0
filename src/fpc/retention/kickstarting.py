"""Kickstarting (KS): stay close to pi* on the states the learner visits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from fpc.config.base import Fraction, NonNegativeFloat
from fpc.retention.interface import (
    MethodOptions,
    Need,
    Policy,
    RetentionBatch,
    RetentionContext,
    RetentionMethod,
)

if TYPE_CHECKING:
    from torch import Tensor


class KickstartingOptions(MethodOptions):
    """Weight of the term and its decay."""

    coefficient: NonNegativeFloat = Field(description="Weight of the divergence at the first update.")
    decay: Fraction = Field(default=1.0, description="Factor on the weight per update; 1 is no decay.")
    floor: NonNegativeFloat = Field(default=0.0, description="The weight decays no lower than this.")


class Kickstarting(RetentionMethod):
    """``c_t mean_s~pi_theta KL(pi*(.|s) || pi_theta(.|s))`` on the learner's own observations.

    Source: paper section 2, after Schmitt et al. 2018; decay and floor as released for NetHack.
    """

    label: ClassVar[str] = "KS"
    colour: ClassVar[str] = "#CC79A7"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.TEACHER, Need.ONLINE_OBSERVATIONS})
    Options: ClassVar[type[MethodOptions]] = KickstartingOptions
    teacher: Policy

    def prepare(self, context: RetentionContext) -> None:
        """Store the teacher."""
        if context.teacher is None:
            raise ValueError("kickstarting needs the teacher pi*, but this learner provides none")
        self.teacher = context.teacher

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """Weighted mean divergence over the batch, ``[*runs]``."""
        import torch

        from fpc.retention import losses

        teacher_outputs = batch.teacher_outputs
        if teacher_outputs is None:
            with torch.no_grad():
                teacher_outputs = self.teacher.outputs(batch.observations)
        divergence = losses.kl_divergence(batch.student, teacher_outputs, batch.outputs).mean(-1)
        options = self.options
        return divergence * losses.decayed_coefficient(
            options.coefficient, options.decay, options.floor, batch.update
        )

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Nothing is stored: the context supplies the teacher, the batch the update number."""
        self.prepare(context)
