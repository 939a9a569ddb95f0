"""Configuration of the two-state MDP (paper, appendix on the two-state MDPs; figure 9).

The rewards of the cloning gap are not printed. Write ``r0 = 1 - a`` and ``r1 = 1 - b``: the loss of
value ``10 - v0`` is linear in a and b, so its shape depends on ``b / a`` alone. The printed result of
fine-tuning (theta = .08, v = 9.93) fixes both: ``b / a = 2.67`` puts the local optimum at .08, and
a = .0087 gives 9.93 there; to the printed precision r0 = .9914 and r1 = .977. The paper states that
theta = 1 is unstable against a small perturbation, but no ratio of positive a and b makes it so: its
basin reaches down to theta = .5 for this ratio and at least to .58 for every other. The printed drift
therefore needs a perturbation above .5; we chose .55.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fpc.config.base import Fraction, PositiveFloat, PositiveInt, Section
from fpc.config.experiment import Experiment

Discount = Annotated[float, Field(gt=0, lt=1)]


class Rewards(Section):
    """Common to both gaps: the discount and the rewards of the two transitions that earn less than 1."""

    gamma: Discount = Field(description="Discount factor.")
    r0: float = Field(description="Reward of staying in s0.")
    r1: float = Field(description="Reward of going back from s1 to s0.")


class CoverageGap(Rewards):
    """State coverage gap: pi* is optimal in s1 but never gets there."""

    epsilon: Annotated[float, Field(gt=0, lt=2)] = Field(
        description="Shape of f(theta), the probability of staying in s1; it is 0 at 1 - epsilon / 2."
    )


class CloningGap(Rewards):
    """Imperfect cloning gap: pi* is a perturbed copy of the optimum theta = 1."""

    perturbation: Fraction = Field(description="pi* has theta = 1 - perturbation.")


class Gaps(Section):
    """The two MDPs."""

    coverage: CoverageGap = Field(description="State coverage gap (figure 9, left).")
    cloning: CloningGap = Field(description="Imperfect cloning gap (figure 9, right).")


class EnvironmentSection(Section):
    """The MDPs."""

    gaps: Gaps = Field(description="The two MDPs, one per gap.")


class PretrainSection(Section):
    """Gradient ascent on v1, the part of the task that begins in s1 (coverage gap only)."""

    initial_theta: Fraction = Field(description="Initial theta of gradient ascent.")
    learning_rate: PositiveFloat = Field(description="Step size of gradient ascent.")
    updates: PositiveInt = Field(description="Steps of gradient ascent.")


class CollectSection(Section):
    """Empty: both states are always collected."""


class FinetuneSection(Section):
    """Gradient ascent on v0, the whole task."""

    learning_rate: PositiveFloat = Field(description="Step size of gradient ascent.")
    updates: PositiveInt = Field(description="Steps of gradient ascent.")
    milestones: PositiveInt = Field(description="Number of evenly spaced milestones after pi*.")


class EvaluateSection(Section):
    """Values are exact, so only the plotted curve has an option."""

    curve_points: Annotated[int, Field(ge=2)] = Field(
        description="Values of theta at which the curve of v0 is computed."
    )


class TwoStateMDPExperiment(Experiment):
    """Both gaps of the two-state MDP."""

    domain: Literal["two_state_mdp"] = Field(description="Name of the domain.")
    environment: EnvironmentSection = Field(description="The MDPs.")
    pretrain: PretrainSection = Field(description="How pi* is obtained.")
    collect: CollectSection = Field(description="What is collected from pi*.")
    finetune: FinetuneSection = Field(description="How pi* is fine-tuned.")
    evaluate: EvaluateSection = Field(description="How policies are measured.")
