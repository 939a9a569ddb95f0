"""Configuration of the taxi domain."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fpc.config.base import NonNegativeFloat, PositiveInt, Section
from fpc.config.experiment import Experiment
from fpc.config.milestones import MilestoneOptions
from fpc.learners.appo.options import APPOOptions


class EnvironmentOptions(Section):
    """The task."""

    max_steps: PositiveInt = Field(description="Steps after which a game is truncated.")
    wrong_drop_off: NonNegativeFloat = Field(
        description="Cost of a drop-off without a passenger, or where no landmark is, in whole "
        "games; a delivery is worth 1."
    )


class NetworkOptions(Section):
    """The policy: one layer, an LSTM, and a linear head each for actions and value."""

    hidden: PositiveInt = Field(description="Units of the layer and of the LSTM.")


class PretrainOptions(Section):
    """How pi* is trained: on games that begin with the passenger in the taxi."""

    steps: PositiveInt = Field(description="Environment steps.")
    appo: APPOOptions = Field(description="APPO.")


class CollectOptions(Section):
    """The expert data: pi*'s games that begin with the passenger in the taxi."""

    states: PositiveInt = Field(description="Steps of these games that are kept.")


class FinetuneOptions(MilestoneOptions):
    """Fine-tuning on whole games."""

    appo: APPOOptions = Field(description="APPO.")


class EvaluateOptions(Section):
    """What is measured on each milestone."""

    episodes: PositiveInt = Field(description="Whole games, and as many rides.")


class TaxiExperiment(Experiment):
    """Taxi-v3 with a given network and budgets."""

    domain: Literal["taxi"] = Field(description="Name of the domain.")
    environment: EnvironmentOptions = Field(description="The task.")
    network: NetworkOptions = Field(description="The policy.")
    pretrain: PretrainOptions = Field(description="How pi* is trained.")
    collect: CollectOptions = Field(description="Expert data.")
    finetune: FinetuneOptions = Field(description="Fine-tuning.")
    evaluate: EvaluateOptions = Field(description="Measurements.")

    @model_validator(mode="after")
    def _whole_network_is_trained(self) -> Self:
        for name, section in (("pretrain", self.pretrain), ("finetune", self.finetune)):
            if section.appo.train != "all":
                raise ValueError(f"{name}.appo.train must be all: the network is too small to freeze a part")
        return self
