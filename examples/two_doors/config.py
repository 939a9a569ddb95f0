"""Configuration of the two-doors domain."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fpc.config.base import Fraction, PositiveFloat, PositiveInt, Section
from fpc.config.experiment import Experiment
from fpc.config.milestones import MilestoneOptions


class EnvironmentSection(Section):
    """The task."""

    left_share: Fraction = Field(
        description="Fraction of the games in which the left door is the correct one."
    )


class PretrainSection(Section):
    """Hill climbing on games of the right door only."""

    steps: PositiveInt = Field(description="Number of proposals.")
    deviation: PositiveFloat = Field(description="Standard deviation of a proposed change.")


class CollectSection(Section):
    """No options."""


class FinetuneSection(MilestoneOptions):
    """Hill climbing on all games; a step is a proposal."""

    deviation: PositiveFloat = Field(description="Standard deviation of a proposed change.")


class EvaluateSection(Section):
    """Size of the evaluation."""

    episodes: PositiveInt = Field(description="Games per probe.")


class TwoDoorsExperiment(Experiment):
    """The policy is a single number: the probability of choosing the left door."""

    domain: Literal["two_doors"] = Field(description="Name of the domain.")
    environment: EnvironmentSection = Field(description="The task.")
    pretrain: PretrainSection = Field(description="How pi* is trained.")
    collect: CollectSection = Field(description="How expert data are collected.")
    finetune: FinetuneSection = Field(description="How pi* is fine-tuned.")
    evaluate: EvaluateSection = Field(description="How policies are evaluated.")
