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
    intrinsic_coefficient: NonNegativeFloat = Field(
        description="Weight of the advantages of intrinsic rewards."
    )
    intrinsic_gamma: Fraction = Field(
        description="Discount of intrinsic rewards; they run on across the ends of episodes."
    )
    update_proportion: Fraction = Field(description="Share of the frames the predictor learns from.")
    observation_clip: PositiveFloat = Field(
        description="Normalised frames are clipped to this absolute value."
    )
    warm_up_steps: NonNegativeInt = Field(
        description="Steps of a random policy that initialise the frames' mean and variance."
    )
