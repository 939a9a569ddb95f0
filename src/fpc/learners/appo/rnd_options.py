"""Options of random network distillation."""

from __future__ import annotations

from pydantic import Field

from fpc.config.base import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section


class RNDOptions(Section):
    """Random network distillation (Burda et al. 2018)."""

    channels: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        description="Channels of the convolutions in target and predictor."
    )
    hidden: PositiveInt = Field(description="Units of the predictor's two additional layers.")
    outputs: PositiveInt = Field(
        description="Size of the target's output, which the predictor learns to predict."
    )
    extrinsic_coefficient: NonNegativeFloat = Field(
        description="Weight of the advantages of the game's rewards."
    )
    intrinsic_coefficient: NonNegativeFloat = Field(
        description="Weight of the advantages of intrinsic rewards."
    )
    normalize_advantages: bool = Field(
        description="Whether each minibatch's advantages are centred and scaled, as Sample Factory does; the "
        "base code does not."
    )
    intrinsic_gamma: Fraction = Field(
        description="Discount factor of intrinsic rewards, whose returns continue across episode ends."
    )
    update_proportion: Fraction = Field(
        description="Fraction of the frames on which the predictor is trained."
    )
    observation_clip: PositiveFloat = Field(
        description="Normalised frames are clipped to this absolute value."
    )
    warm_up_steps: NonNegativeInt = Field(
        description="Steps of a random policy used to initialise the mean and variance of frames."
    )
