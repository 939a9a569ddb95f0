"""Options of Sample Factory's APPO, as used in this project."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fpc.config.base import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section


def _is_one(value: object) -> bool:
    return value == 1


class APPOOptions(Section):
    """Proximal policy optimisation, asynchronous or serial."""

    asynchronous: bool = Field(
        description="Use several processes: faster on many cores, but not bit-reproducible. "
        "Otherwise one process, bit-reproducible on one CPU even after a kill."
    )
    workers: PositiveInt = Field(description="Processes that step environments; 1 unless asynchronous.")
    environments_per_worker: PositiveInt = Field(description="Environments per worker.")
    splits: PositiveInt = Field(
        description="Groups of a worker's environments; one acts while the others wait for actions."
    )
    rollout: PositiveInt = Field(
        description="Length of a sequence in steps, also for back-propagation through time."
    )
    batch_size: PositiveInt = Field(description="Environment steps per gradient step.")
    minibatches: PositiveInt = Field(
        default=1,
        exclude_if=_is_one,  # newer than published results: unused, it leaves their digests unchanged
        description="Gradient steps per epoch; minibatches * batch_size steps are sampled each time.",
    )
    epochs: PositiveInt = Field(description="Passes over the sampled steps.")
    learning_rate: PositiveFloat = Field(description="Adam's learning rate at the first update.")
    learning_rate_schedule: Literal["linear", "constant"] = Field(
        description="Schedule for fine-tuned runs: `linear` falls to 0 over the horizon."
    )
    learning_rate_horizon: PositiveInt | None = Field(
        default=None,
        description="Environment steps over which a linear learning rate falls to 0, warm-up included; "
        "null: the run's own.",
    )
    scratch_learning_rate_schedule: Literal["linear", "constant"] = Field(
        description="Learning-rate schedule for `scratch`."
    )
    adam_beta1: Fraction = Field(description="Adam's decay rate of the first moment.")
    adam_beta2: Fraction = Field(description="Adam's decay rate of the second moment.")
    adam_epsilon: PositiveFloat = Field(description="Adam's epsilon.")
    weight_decay: NonNegativeFloat = Field(
        default=0.0, description="Adam's weight decay: this times the weight is added to its gradient."
    )
    gamma: Fraction = Field(description="Discount factor.")
    gae_lambda: Fraction = Field(description="Lambda of generalised advantage estimation.")
    clip_ratio: PositiveFloat = Field(
        description="The probability ratio is clipped to [1 / (1 + this), 1 + this]; with random network "
        "distillation to [1 - this, 1 + this]."
    )
    clip_value: PositiveFloat = Field(description="The change of a value in one update is clipped to this.")
    value_coefficient: NonNegativeFloat = Field(description="Weight of the value loss.")
    entropy_coefficient: NonNegativeFloat = Field(description="Weight of the entropy bonus.")
    max_grad_norm: NonNegativeFloat = Field(description="Maximum gradient norm; 0 disables clipping.")
    reward_scale: PositiveFloat = Field(description="Factor on rewards, applied before clipping.")
    reward_clip: PositiveFloat = Field(description="Rewards are clipped to this absolute value.")
    normalize_returns: bool = Field(description="Whether values are learned for normalised returns.")
    max_policy_lag: PositiveInt = Field(
        description="Maximum age of experience, in updates; older experience is discarded."
    )
    train: Literal["all", "core", "heads"] = Field(
        description="What fine-tuning trains: `core` freezes the encoder, `heads` also the LSTM; "
        "`scratch` always trains everything."
    )
    batch_norm: Literal["frozen", "moving"] = Field(
        description="Batch-norm statistics of a frozen encoder: `frozen` as well, or `moving` with the data, "
        "as in the released code."
    )
    warm_up_steps: NonNegativeInt = Field(
        description="Initial steps of a fine-tuned run without updates; they count towards its budget."
    )

    def from_scratch(self) -> Self:
        """The options for a run from a random initialisation."""
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
