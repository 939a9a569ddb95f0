"""Configuration of NetHack (paper, section 4 and appendix on NetHack; values from the released code)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from fpc.config.base import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section
from fpc.config.experiment import Experiment
from fpc.config.milestones import MilestoneOptions
from fpc.learners.appo.options import APPOOptions
from fpc.retention.registry import load_method


def _is_zero(value: object) -> bool:
    return value == 0


def _is_none(value: object) -> bool:
    return value is None


class EnvironmentOptions(Section):
    """The score task."""

    character: str = Field(
        pattern=r"^[a-z]{3}-[a-z]{3}-[a-z]{3}-[a-z]{3}$",
        description="Role, race, gender and alignment, e.g. `mon-hum-neu-mal`.",
    )
    max_steps: PositiveInt = Field(description="Environment steps after which a game is truncated.")
    no_progress_limit: PositiveInt = Field(
        description="A game is truncated after this many steps in a row in which no turn passes."
    )


class NetworkOptions(Section):
    """Sizes of the network; the paper uses those of the published 30M LSTM."""

    message_hidden: PositiveInt = Field(description="Units of the two layers over the top line.")
    status_channels: tuple[PositiveInt, PositiveInt] = Field(
        description="Channels of the two convolutions over the bottom lines."
    )
    status_hidden: PositiveInt = Field(description="Units of the two layers after these convolutions.")
    character_embedding: PositiveInt = Field(description="Embedding dimension of characters.")
    colour_embedding: PositiveInt = Field(description="Embedding dimension of colours.")
    screen_channels: tuple[PositiveInt, ...] = Field(
        min_length=1, description="Channels of each IMPALA block over the map."
    )
    screen_hidden: PositiveInt = Field(description="Units of the layer after the IMPALA blocks.")
    crop_size: PositiveInt = Field(description="Side of the square around the cursor, in cells; odd.")
    crop_channels: tuple[PositiveInt, ...] = Field(
        min_length=1, description="Channels of the convolutions over that square."
    )
    hidden: PositiveInt = Field(description="Units of the two joint layers and of the LSTM.")

    @model_validator(mode="after")
    def _crop_has_a_centre(self) -> Self:
        if self.crop_size % 2 == 0:
            raise ValueError(
                f"crop_size is {self.crop_size}; it must be odd, so that the cursor is in the centre"
            )
        return self


class SourceOptions(Section):
    """Source of the expert's games."""

    kind: Literal["expert", "nld_aa", "nld_aa_taster"] = Field(
        description="`expert`: played by our symbolic player; `nld_aa`, `nld_aa_taster`: AutoAscend's "
        "recordings, which `fpc fetch` downloads."
    )
    games: PositiveInt = Field(
        description="Number of games to play, or the maximum to take from the recordings."
    )
    max_steps: PositiveInt = Field(description="Maximum steps of a game played by our player.")
    role: str | None = Field(default=None, description="Only games of this role, e.g. `Mon`.")
    race: str | None = Field(default=None, description="Only games of this race, e.g. `Hum`.")
    alignment: str | None = Field(default=None, description="Only games of this alignment, e.g. `Neu`.")


class CloneOptions(Section):
    """Cloning of the expert's actions."""

    passes: PositiveFloat = Field(description="Number of passes over the training games.")
    streams: PositiveInt = Field(description="Games read in parallel, i.e. sequences per gradient step.")
    sequence_length: PositiveInt = Field(
        description="Steps per sequence; the LSTM state is carried over to the next one."
    )
    learning_rate: PositiveFloat = Field(description="Adam's learning rate; decays to 0 along a cosine.")
    max_grad_norm: PositiveFloat = Field(description="The gradient norm is clipped to this value.")
    held_out: Fraction = Field(
        description="Fraction of the games held out to measure accuracy and perplexity."
    )


class CriticOptions(Section):
    """Critic pre-training: APPO with everything but the value head frozen."""

    steps: NonNegativeInt = Field(description="Environment steps.")


class PretrainOptions(Section):
    """Pre-training of pi*."""

    recipe: Literal["clone", "published"] = Field(
        description="`clone`: clone the games of `source`; `published`: use the published weights, imported "
        "with `fpc import-policy`."
    )
    source: SourceOptions = Field(description="The expert's games.")
    clone: CloneOptions | None = Field(
        default=None, description="Behavioural cloning; required by the recipe `clone`."
    )
    published: str | None = Field(
        default=None, description="Path of the imported safetensors file; required by the recipe `published`."
    )
    critic: CriticOptions = Field(description="Critic pre-training.")
    appo: APPOOptions = Field(description="APPO options of the critic pre-training.")
    probe_games: PositiveInt = Field(description="Games played to measure pi*'s return.")

    @model_validator(mode="after")
    def _recipe_is_complete(self) -> Self:
        needed = self.recipe
        if getattr(self, needed) is None:
            other = "published" if needed == "clone" else "clone"
            raise ValueError(f"recipe `{needed}` needs the key `{needed}`; add it, or set recipe: {other}")
        return self


class StartStateOptions(Section):
    """Start states of one probe."""

    count: NonNegativeInt = Field(description="Number of start states; 0 omits the probe.")
    max_games: PositiveInt = Field(
        description="Maximum number of expert games to play in search of start states."
    )


class CollectOptions(Section):
    """Expert data and start states of the probes."""

    recipe: Literal["stored", "streamed"] = Field(
        description="`stored`: features of pi*'s encoder on the source's games are saved in "
        "expert.safetensors (requires a frozen encoder); `streamed`: games are read during training."
    )
    source: SourceOptions | None = Field(
        default=None, description="The games; by default those pi* was cloned from."
    )
    transitions: PositiveInt = Field(description="Steps to save with the recipe `stored`.")
    far_level: PositiveInt = Field(
        description="Dungeon level whose first entries are the start states of the Far probe."
    )
    level: StartStateOptions = Field(description="First entries to `far_level` by our expert.")
    sokoban: StartStateOptions = Field(description="Entries to Sokoban's first level.")
    max_steps: PositiveInt = Field(description="Maximum steps of an expert game played to find start states.")
    divergence_games: NonNegativeInt = Field(
        description="Expert games reserved for measuring the divergence from pi*; methods never learn from "
        "them. 0 skips the measurement."
    )


class FinetuneOptions(MilestoneOptions):
    """Fine-tuning on the score task."""

    appo: APPOOptions = Field(description="APPO options.")
    learning_rate_horizons: dict[str, PositiveInt] = Field(
        default={},
        description="Method -> environment steps over which its learning rate falls to 0; replaces "
        "`appo.learning_rate_horizon`.",
    )
    retention_entropy_coefficient: NonNegativeFloat = Field(
        default=0.0,
        exclude_if=_is_zero,  # added after results were published; at its default, digests stay the same
        description="Entropy coefficient for methods that add a term to the loss; replaces "
        "`appo.entropy_coefficient`.",
    )

    @field_validator("learning_rate_horizons")
    @classmethod
    def _methods_exist(cls, horizons: dict[str, int]) -> dict[str, int]:
        for method in horizons:
            load_method(method)
        return horizons


class EvaluateOptions(Section):
    """What is measured on each milestone."""

    episodes: PositiveInt = Field(
        description="Games per milestone for each of the probes level_1 and the Far level."
    )
    sokoban_episodes: NonNegativeInt = Field(
        description="Games per milestone for the probe sokoban; 0 omits the probe."
    )
    final_episodes: PositiveInt = Field(
        description="Games from the start, played with the first and last milestones only (tables 4 and 5)."
    )
    final_far_episodes: PositiveInt | None = Field(
        default=None,
        exclude_if=_is_none,  # as retention_entropy_coefficient's
        description="Games on the Far level with the first and last milestones and the last of "
        "`finetune.early_milestones`; null: `episodes`.",
    )
    pi_star_episodes: PositiveInt = Field(
        description="Games of each probe for pi* itself, which is measured once: start states in turn, "
        "each at least once."
    )
    max_steps: PositiveInt = Field(description="Maximum environment steps of an evaluation game.")
    far_max_steps: PositiveInt = Field(
        description="Maximum environment steps after the start state of a Far probe."
    )
    batch: PositiveInt = Field(
        description="Games played side by side in each process. A game does not depend on it on CPUs; on a "
        "GPU its rounding does."
    )
    divergence_steps: PositiveInt | None = Field(
        default=None,
        exclude_if=_is_none,  # newer than published results: unused, it leaves their digests unchanged
        description="Steps of each of collect.divergence_games on which the divergence from pi* is measured, "
        "from the game's start; null: all.",
    )

    @model_validator(mode="after")
    def _final_games_are_more(self) -> Self:
        if self.final_far_episodes is not None and self.final_far_episodes < self.episodes:
            raise ValueError(
                f"final_far_episodes is {self.final_far_episodes}, but each milestone has `episodes`, "
                f"{self.episodes}; raise the first or lower the second"
            )
        return self


class NetHackExperiment(Experiment):
    """NetHack's score task with a given character, network and budgets."""

    environment: EnvironmentOptions = Field(description="The task.")
    network: NetworkOptions = Field(description="The network.")
    pretrain: PretrainOptions = Field(description="Pre-training of pi*.")
    collect: CollectOptions = Field(description="Expert data and start states.")
    finetune: FinetuneOptions = Field(description="Fine-tuning.")
    evaluate: EvaluateOptions = Field(description="Measurements.")

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        appo = self.finetune.appo
        if self.collect.recipe == "stored" and (appo.train == "all" or appo.batch_norm == "moving"):
            raise ValueError(
                "collect.recipe `stored` saves features of pi*'s encoder, but finetune.appo changes the "
                f"encoder (train: {appo.train}, batch_norm: {appo.batch_norm}); "
                "set collect.recipe: streamed, or train: core and batch_norm: frozen"
            )
        if self.collect.far_level < 2:
            raise ValueError("collect.far_level must be at least 2: games start on level 1")
        return self
