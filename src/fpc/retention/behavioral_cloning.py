"""Behavioral cloning (BC): stay close to pi* on the states of pi*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from fpc.config.base import Fraction, NonNegativeFloat, PositiveInt
from fpc.retention.interface import (
    ExpertData,
    MethodOptions,
    Need,
    RetentionBatch,
    RetentionContext,
    RetentionMethod,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class BehavioralCloningOptions(MethodOptions):
    """How strongly, how the strength decays, and how much expert data there is."""

    coefficient: NonNegativeFloat = Field(description="Weight of the divergence at the first update.")
    batch_size: PositiveInt = Field(description="Expert states per update.")
    decay: Fraction = Field(default=1.0, description="Factor on the weight per update; 1 is no decay.")
    floor: NonNegativeFloat = Field(default=0.0, description="The weight decays no lower than this.")
    memory_size: PositiveInt | None = Field(
        default=None, description="Use only so many expert states (figures 19 and 26); null uses all."
    )


class BehavioralCloning(RetentionMethod):
    """``c_t mean_s~data KL(pi*(.|s) || pi_theta(.|s))`` on the expert data.

    Source: paper section 2 (the target is pi*'s distribution, not an expert's action).
    """

    label: ClassVar[str] = "BC"
    colour: ClassVar[str] = "#0072B2"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.EXPERT_DATA})
    Options: ClassVar[type[MethodOptions]] = BehavioralCloningOptions
    expert: ExpertData
    generator: torch.Generator

    def prepare(self, context: RetentionContext) -> None:
        """Keep the expert data, cut to ``memory_size``."""
        if context.expert is None:
            raise ValueError("behavioral cloning needs expert data, and this learner gave none")
        size = self.options.memory_size
        self.expert = context.expert if size is None else context.expert.restricted(size)
        self.generator = context.generator

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """The weighted mean divergence over the drawn states, ``[...]``: one value a run."""
        from fpc.retention import losses

        options = self.options
        expert = self.expert.sample(options.batch_size, self.generator)
        student_outputs = batch.student.outputs(expert.observations)
        divergence = losses.kl_divergence(batch.student, expert.outputs, student_outputs).mean(-1)
        return divergence * losses.decayed_coefficient(
            options.coefficient, options.decay, options.floor, batch.update
        )

    def state_dict(self) -> dict[str, Tensor]:
        """The generator's state, so that a resumed run draws the same expert states."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Take the expert data from the context and continue the stream of drawn states."""
        self.prepare(context)
        self.generator.set_state(state["generator"])
