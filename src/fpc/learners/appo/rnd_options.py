"""Options of random network distillation."""

from __future__ import annotations

from pydantic import Field

from fpc.config.base import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section


class RNDOptions(Section):
    """Random network distillation (Burda et al. 2018)."""

    channels: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        description="Channels of the convolutions of target and predictor."
    )
    hidden: PositiveInt = Field(description="Units of the predictor's two further layers.")
    outputs: PositiveInt = Field(description="Numbers that are predicted.")
    extrinsic_coefficient: NonNegativeFloat = Field(description="Weight of the game's advantages.")
    intrinsic_coefficient: NonNegativeFloat = Field(description="Weight of the novelty's advantages.")
    intrinsic_gamma: Fraction = Field(description="Discount of intrinsic rewards; they never end.")
    update_proportion: Fraction = Field(description="Share of the pictures the predictor learns from.")
    observation_clip: PositiveFloat = Field(description="Normalised pictures are cut to this size.")
    warm_up_steps: NonNegativeInt = Field(
        description="Steps of a random policy that the picture's mean and variance begin with."
    )
