"""Options of Soft Actor-Critic (paper section 6 and its table of hyperparameters)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fpc.config.base import Fraction, NonNegativeInt, PositiveFloat, PositiveInt, Section


class SACOptions(Section):
    """Everything that decides what Soft Actor-Critic learns; the defaults are the paper's."""

    hidden_sizes: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = Field(
        default=(256, 256, 256, 256), description="Units of each hidden layer, actor and critics alike."
    )
    activation: Literal["leaky_relu", "relu", "tanh"] = Field(
        default="leaky_relu", description="Activation of the hidden layers."
    )
    leaky_relu_slope: PositiveFloat = Field(
        default=0.2, description="Slope of leaky_relu below zero (0.2 in the base code's TensorFlow)."
    )
    layer_norm: bool = Field(default=True, description="LayerNorm between layer 1 and its activation.")
    layer_norm_activation: Literal["tanh", "same"] = Field(
        default="tanh", description="Activation after LayerNorm: tanh (base code) or `activation`."
    )
    layer_norm_epsilon: PositiveFloat = Field(
        default=1e-3, description="Added to the variance in LayerNorm (1e-3 in the base code's Keras)."
    )
    stage_in_trunk: bool = Field(
        default=True, description="Feed the stage's one-hot to the trunk too, not only to choose the head."
    )
    actor_learning_rate: PositiveFloat = Field(default=1e-3, description="Adam step size of the actor.")
    critic_learning_rate: PositiveFloat = Field(default=1e-3, description="Adam step size of the critics.")
    temperature_learning_rate: PositiveFloat = Field(
        default=1e-3, description="Adam step size of the log temperatures."
    )
    batch_size: PositiveInt = Field(default=128, description="Transitions in one update.")
    buffer_size: PositiveInt = Field(
        default=100_000, description="Transitions kept for replay, protected ones included."
    )
    gamma: Fraction = Field(default=0.99, description="Discount factor per step.")
    polyak: Fraction = Field(
        default=0.995, description="Share of the target critics that stays in one update."
    )
    random_steps: NonNegativeInt = Field(
        default=10_000,
        description="First environment steps whose actions are uniformly random, in a run that starts from a "
        "new policy; one that starts from pi* has none.",
    )
    update_after: NonNegativeInt = Field(
        default=1_000, description="Environment steps before the first update."
    )
    update_every: PositiveInt = Field(default=50, description="Environment steps between rounds of updates.")
    updates_per_round: PositiveInt = Field(default=50, description="Updates in one round.")
    log_std_bounds: tuple[float, float] = Field(
        default=(-20.0, 2.0), description="Bounds of the log standard deviation before tanh."
    )
    target_entropy: float = Field(
        default=-4.0,
        description="Entropy (nats, summed over action dimensions) that the temperature steers to; "
        "-4 is a standard deviation of 0.089 in each of 4 dimensions.",
    )
    initial_temperature: PositiveFloat = Field(
        default=2.718281828,
        description="Temperature at the start (e in the base code) of every stage that pi* does not know.",
    )
    reset_heads: bool = Field(
        default=False, description="Re-initialise the loaded actor's and critics' last layers (figure 21)."
    )
    reset_critic: bool = Field(
        default=False, description="Start with new critics even where pre-trained ones are available."
    )
    critic_warmup_updates: NonNegativeInt = Field(
        default=0, description="First updates that move the critics alone."
    )
    max_grad_norm: PositiveFloat | None = Field(
        default=None, description="Largest norm of each network's gradient; null: never clipped."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        low, high = self.log_std_bounds
        if low >= high:
            raise ValueError(f"log_std_bounds are [{low}, {high}]; the first must be below the second")
        if self.batch_size > self.buffer_size:
            raise ValueError(
                f"batch_size {self.batch_size} exceeds buffer_size {self.buffer_size}; lower the first"
            )
        return self
