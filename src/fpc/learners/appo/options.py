"""Options of Sample Factory's APPO as this project uses it."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fpc.config.base import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section


def _is_one(value: object) -> bool:
    return value == 1


class APPOOptions(Section):
    """Proximal policy optimisation, asynchronous or serial."""

    asynchronous: bool = Field(
        description="Several processes, faster on many cores but not bit-reproducible; "
        "without it one process, equal to the bit on one CPU, also over a kill."
    )
    workers: PositiveInt = Field(description="Processes that step environments; 1 where not asynchronous.")
    environments_per_worker: PositiveInt = Field(description="Environments of each worker.")
    splits: PositiveInt = Field(description="Halves of them act while the others wait for actions.")
    rollout: PositiveInt = Field(description="Steps of a sequence, also of back-propagation through time.")
    batch_size: PositiveInt = Field(description="Environment steps in a gradient step.")
    minibatches: PositiveInt = Field(
        default=1,
        exclude_if=_is_one,  # younger than published results: where it is not used, digests stay
        description="Gradient steps of each pass; so many times batch_size steps are sampled between passes.",
    )
    epochs: PositiveInt = Field(description="Passes over what was sampled.")
    learning_rate: PositiveFloat = Field(description="Adam's at the first update.")
    learning_rate_schedule: Literal["linear", "constant"] = Field(
        description="Of fine-tuned runs: `linear` falls to 0 at the end of training."
    )
    scratch_learning_rate_schedule: Literal["linear", "constant"] = Field(description="Of `scratch`.")
    adam_beta1: Fraction = Field(description="Adam's decay of the mean.")
    adam_beta2: Fraction = Field(description="Adam's decay of the mean square.")
    adam_epsilon: PositiveFloat = Field(description="Adam's epsilon.")
    gamma: Fraction = Field(description="Discount.")
    gae_lambda: Fraction = Field(description="Lambda of the generalised advantage estimate.")
    clip_ratio: PositiveFloat = Field(description="The probability ratio is cut to 1 + this and its inverse.")
    clip_value: PositiveFloat = Field(description="A value moves no more than this in an update.")
    value_coefficient: NonNegativeFloat = Field(description="Weight of the value loss.")
    entropy_coefficient: NonNegativeFloat = Field(description="Weight of the entropy bonus.")
    max_grad_norm: NonNegativeFloat = Field(description="The gradient's norm is cut to this; 0 does not cut.")
    reward_scale: PositiveFloat = Field(description="Multiplies rewards before they are cut.")
    reward_clip: PositiveFloat = Field(description="Rewards are cut to this size.")
    normalize_returns: bool = Field(description="Learn values of normalised returns.")
    max_policy_lag: PositiveInt = Field(description="Older experience (in updates) is not learned from.")
    train: Literal["all", "core", "heads"] = Field(
        description="What fine-tuning changes: `core` freezes the encoder, `heads` also the LSTM; "
        "`scratch` trains all."
    )
    batch_norm: Literal["frozen", "moving"] = Field(
        description="Statistics of batch normalisation in a frozen encoder: really frozen, or moving with "
        "the data, as in the released code."
    )
    warm_up_steps: NonNegativeInt = Field(
        description="Environment steps in which a fine-tuned run only samples; part of its budget."
    )

    def from_scratch(self) -> Self:
        """The options of a run from a new initialisation."""
        return self.model_copy(update={"learning_rate_schedule": self.scratch_learning_rate_schedule})

    @model_validator(mode="after")
    def _batches_are_whole(self) -> Self:
        environments = self.workers * self.environments_per_worker
        if not self.asynchronous and (self.workers, self.splits) != (1, 1):
            raise ValueError("workers and splits must be 1 unless asynchronous is true")
        if self.batch_size % self.rollout:
            raise ValueError(f"batch_size {self.batch_size} must be a multiple of rollout {self.rollout}")
        sampled = environments * self.rollout
        if not self.asynchronous and self.batch_size * self.minibatches != sampled:
            raise ValueError(
                f"batch_size * minibatches must be environments_per_worker * rollout = {sampled} "
                f"unless asynchronous is true, not {self.batch_size} * {self.minibatches}"
            )
        return self
