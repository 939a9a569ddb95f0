"""Behavioral cloning (BC): stay close to pi* on pi*'s own states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from fpc.config.base import Fraction, NonNegativeFloat, PositiveInt
from fpc.core.checkpoint import selected
from fpc.core.errors import ConfigError
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
    """Weight of the term, its decay, and the amount of expert data."""

    coefficient: NonNegativeFloat = Field(description="Weight of the divergence at the first update.")
    batch_size: PositiveInt = Field(description="Expert states per update.")
    decay: Fraction = Field(default=1.0, description="Factor on the weight per update; 1 is no decay.")
    floor: NonNegativeFloat = Field(default=0.0, description="The weight decays no lower than this.")
    memory_size: PositiveInt | None = Field(
        default=None, description="Number of expert states to use (figures 19 and 26); null uses all."
    )
    target: Literal["pi_star", "expert_action"] = Field(
        default="pi_star",
        description="What the student clones: `pi_star`, pi*'s distribution, or `expert_action`, the action "
        "of the expert that pi* was cloned from (only NetHack's data have it).",
    )


class BehavioralCloning(RetentionMethod):
    """``c_t mean_s~data KL(pi*(.|s) || pi_theta(.|s))`` on the expert data.

    Source: paper section 2 (the target is pi*'s distribution, not an expert's action). With the target
    ``expert_action`` the divergence is replaced by ``-log pi_theta(a|s)`` of the expert's action a.
    """

    label: ClassVar[str] = "BC"
    colour: ClassVar[str] = "#0072B2"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.EXPERT_DATA})
    Options: ClassVar[type[MethodOptions]] = BehavioralCloningOptions
    generator: torch.Generator
    sampler: ExpertSampler
    student_state: Tensor | None  # of a recurrent student, after the sequences of the last update

    def prepare(self, context: RetentionContext) -> None:
        """Open a sampler of the expert data, or of its first ``memory_size`` states."""
        if context.expert is None:
            raise ValueError("behavioral cloning needs expert data, but this learner provides none")
        size = self.options.memory_size
        expert = context.expert if size is None else context.expert.restricted(size)
        self.generator = context.generator
        self.sampler = expert.sampler(self.options.batch_size, self.generator)
        self.student_state = None

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """Weighted mean loss over a batch of expert states, ``[*runs]``.

        Raises:
            ConfigError: the target is the expert's action, and the data have none.
        """
        from fpc.retention import losses

        options = self.options
        expert = self.sampler.sample()
        outputs, self.student_state = outputs_from(batch.student, expert.observations, self.student_state)
        if options.target == "pi_star":
            loss = losses.kl_divergence(batch.student, expert.outputs, outputs)
        elif expert.actions is not None:
            loss = losses.cross_entropy(batch.student, expert.actions, outputs)
        else:
            raise ConfigError(
                "target: expert_action needs the expert's actions, which the expert data do not contain; "
                "set target: pi_star"
            )
        return loss.mean(-1) * losses.decayed_coefficient(
            options.coefficient, options.decay, options.floor, batch.update
        )

    def state_dict(self) -> dict[str, Tensor]:
        """The sampler, its generator and the student's recurrent state: a resume draws the same states."""
        state = {SAMPLER + name: value for name, value in self.sampler.state_dict().items()}
        state["generator"] = self.generator.get_state()
        if self.student_state is not None:
            state["student_state"] = self.student_state
        return state

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore the sampler, its generator and the student's recurrent state."""
        self.prepare(context)
        self.generator.set_state(state["generator"])
        self.sampler.load_state_dict(selected(state, SAMPLER))
        self.student_state = state.get("student_state")
