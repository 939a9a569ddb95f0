"""Behavioral cloning (BC): stay close to pi* on the states of pi*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from fpc.config.base import Fraction, NonNegativeFloat, PositiveInt
from fpc.retention.interface import (
    ExpertSampler,
    MethodOptions,
    Need,
    RetentionBatch,
    RetentionContext,
    RetentionMethod,
    outputs_from,
)

if TYPE_CHECKING:
    import torch
    from torch import Tensor

SAMPLER = "sampler."  # prefix in state_dict


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
    generator: torch.Generator
    sampler: ExpertSampler
    student_state: Tensor | None  # of a recurrent student, after the sequences of the last update

    def prepare(self, context: RetentionContext) -> None:
        """Begin to draw from the expert data, or from its first ``memory_size`` states."""
        if context.expert is None:
            raise ValueError("behavioral cloning needs expert data, and this learner gave none")
        size = self.options.memory_size
        expert = context.expert if size is None else context.expert.restricted(size)
        self.generator = context.generator
        self.sampler = expert.sampler(self.options.batch_size, self.generator)
        self.student_state = None

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """The weighted mean divergence over the drawn states, ``[*runs]``."""
        from fpc.retention import losses

        options = self.options
        expert = self.sampler.sample()
        outputs, self.student_state = outputs_from(batch.student, expert.observations, self.student_state)
        divergence = losses.kl_divergence(batch.student, expert.outputs, outputs).mean(-1)
        return divergence * losses.decayed_coefficient(
            options.coefficient, options.decay, options.floor, batch.update
        )

    def state_dict(self) -> dict[str, Tensor]:
        """Where drawing stands, so that a resumed run draws the same expert states."""
        state = {SAMPLER + name: value for name, value in self.sampler.state_dict().items()}
        state["generator"] = self.generator.get_state()
        if self.student_state is not None:
            state["student_state"] = self.student_state
        return state

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Take the expert data from the context and go on drawing."""
        self.prepare(context)
        self.generator.set_state(state["generator"])
        self.sampler.load_state_dict(
            {name.removeprefix(SAMPLER): value for name, value in state.items() if name.startswith(SAMPLER)}
        )
        self.student_state = state.get("student_state")
