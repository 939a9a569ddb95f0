"""When a fine-tuned run keeps its weights."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from fpc.config.base import PositiveInt, Section
from fpc.core.milestones import milestone_steps


class MilestoneOptions(Section):
    """Budget and milestones of fine-tuning, for learners that count environment steps."""

    steps: PositiveInt = Field(description="Environment steps of a run, the same for every method.")
    evaluate_every: PositiveInt = Field(
        description="Environment steps between milestones; there is one at step 0 as well."
    )
    early_milestones: tuple[PositiveInt, ...] = Field(
        default=(),
        description="Further milestones, in environment steps, e.g. after some ten, hundred and thousand "
        "updates: pi* may have changed long before the first regular one.",
    )

    def milestones(self, steps: int | None = None) -> tuple[int, ...]:
        """Environment steps of all milestones, of a run of ``steps`` steps if a method's budget differs."""
        return milestone_steps(steps or self.steps, self.evaluate_every, self.early_milestones)

    @model_validator(mode="after")
    def _early_milestones_are_reached(self) -> Self:
        early = self.early_milestones
        if list(early) != sorted(set(early)):
            raise ValueError(
                f"early_milestones {list(early)} must increase and name each step once; sort them"
            )
        if early and early[-1] >= self.steps:
            raise ValueError(
                f"early_milestones {list(early)} must lie below steps, {self.steps}; remove "
                f"{early[-1]} or raise steps"
            )
        return self
