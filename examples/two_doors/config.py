"""Configuration of the two doors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from fpc.config.base import Fraction, PositiveFloat, PositiveInt, Section
from fpc.config.experiment import Experiment


class EnvironmentSection(Section):
    """The task."""

    left_share: Fraction = Field(description="Share of the games in which the left door is right.")


class PretrainSection(Section):
    """Hill climbing on the games of the right door."""

    steps: PositiveInt = Field(description="Proposals.")
    deviation: PositiveFloat = Field(description="Standard deviation of a change.")


class CollectSection(Section):
    """Nothing to choose."""


class FinetuneSection(PretrainSection):
    """Hill climbing on all games."""

    evaluate_every: PositiveInt = Field(description="Proposals between milestones; also one at 0.")


class EvaluateSection(Section):
    """Games of each probe."""

    episodes: PositiveInt = Field(description="Games of each probe.")


class TwoDoorsExperiment(Experiment):
    """The policy is one number, the probability of the left door."""

    domain: Literal["two_doors"] = Field(description="Name of the domain.")
    environment: EnvironmentSection = Field(description="The task.")
    pretrain: PretrainSection = Field(description="How pi* is made.")
    collect: CollectSection = Field(description="What is kept of pi*.")
    finetune: FinetuneSection = Field(description="How pi* is fine-tuned.")
    evaluate: EvaluateSection = Field(description="How policies are measured.")
