"""Configuration of AppleRetrieval (paper, appendix on AppleRetrieval; figures 10 and 11)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fpc.config.base import Fraction, PositiveFloat, PositiveInt, Section
from fpc.config.experiment import Experiment


class Condition(Section):
    """One AppleRetrieval environment; the paper compares several."""

    distance: PositiveInt = Field(description="M, the steps from home to the apple.")
    signal: PositiveFloat = Field(description="c; the observation is -c in phase 1, +c in phase 2.")

    @property
    def name(self) -> str:
        """The condition's name in tables, such as ``M=30,c=0.5``."""
        return f"M={self.distance},c={self.signal:g}"


class EnvironmentSection(Section):
    """The environments, trained in parallel."""

    max_steps: PositiveInt = Field(description="Steps after which an episode is truncated.")
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1)] = Field(
        description="Environments; each is run with every seed."
    )

    @model_validator(mode="after")
    def _conditions_differ(self) -> Self:
        names = [condition.name for condition in self.conditions]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"duplicate conditions: {', '.join(repeated)}; remove the repetitions")
        return self


class ReinforceSection(Section):
    """REINFORCE with plain gradient steps."""

    initial_range: PositiveFloat = Field(
        description="Initial w and b are uniform in [-initial_range, initial_range]."
    )
    learning_rate: PositiveFloat = Field(description="Step size of stochastic gradient descent.")
    gamma: Fraction = Field(description="Discount factor of the returns.")
    episodes_per_update: PositiveInt = Field(description="Episodes averaged over in one update.")
    updates: PositiveInt = Field(description="Updates.")


class CollectSection(Section):
    """Expert data: states that pi* visits in phase 2."""

    states: PositiveInt = Field(description="States kept for each pi*.")


class FinetuneSection(ReinforceSection):
    """REINFORCE on the whole task."""

    milestones: PositiveInt = Field(description="Number of evenly spaced milestones after pi*.")
    online_observations: PositiveInt = Field(
        description="Observations given to a method at each update, in proportion to their visits."
    )


class EvaluateSection(Section):
    """Probes of each milestone."""

    episodes: PositiveInt = Field(description="Episodes of each probe, condition and seed.")


class AppleRetrievalExperiment(Experiment):
    """All conditions and seeds of AppleRetrieval."""

    domain: Literal["apple_retrieval"] = Field(description="Name of the domain.")
    environment: EnvironmentSection = Field(description="The environments.")
    pretrain: ReinforceSection = Field(description="How pi* is trained, on phase 2 alone.")
    collect: CollectSection = Field(description="What is collected from pi*.")
    finetune: FinetuneSection = Field(description="How pi* is fine-tuned on the whole task.")
    evaluate: EvaluateSection = Field(description="How policies are measured.")
