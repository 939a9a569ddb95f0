"""Configuration of NetHack (paper, section 4 and appendix on NetHack; values of the released code)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fpc.config.base import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section
from fpc.config.experiment import Experiment
from fpc.learners.appo.options import APPOOptions


def _is_zero(value: object) -> bool:
    return value == 0


class EnvironmentOptions(Section):
    """The score task."""

    character: str = Field(
        pattern=r"^[a-z]{3}-[a-z]{3}-[a-z]{3}-[a-z]{3}$",
        description="Role, race, gender and alignment, e.g. `mon-hum-neu-mal`.",
    )
    max_steps: PositiveInt = Field(description="Environment steps of a game; then it is truncated.")
    no_progress_limit: PositiveInt = Field(
        description="A game ends after so many steps in a row in which the turn counter stands still."
    )


class NetworkOptions(Section):
    """Sizes of the network; the paper's are those of the published 30M LSTM."""

    message_hidden: PositiveInt = Field(description="Units of the two layers over the top line.")
    status_channels: tuple[PositiveInt, PositiveInt] = Field(
        description="Channels of the two convolutions over the bottom lines."
    )
    status_hidden: PositiveInt = Field(description="Units of the two layers after them.")
    character_embedding: PositiveInt = Field(description="Numbers a character is embedded in.")
    colour_embedding: PositiveInt = Field(description="Numbers a colour is embedded in.")
    screen_channels: tuple[PositiveInt, ...] = Field(
        min_length=1, description="Channels of each IMPALA block over the map."
    )
    screen_hidden: PositiveInt = Field(description="Units of the layer after them.")
    crop_size: PositiveInt = Field(description="Side of the square around the cursor; odd.")
    crop_channels: tuple[PositiveInt, ...] = Field(
        min_length=1, description="Channels of the convolutions over the square."
    )
    hidden: PositiveInt = Field(description="Units of the two joint layers and of the LSTM.")

    @model_validator(mode="after")
    def _crop_has_a_centre(self) -> Self:
        if self.crop_size % 2 == 0:
            raise ValueError(f"crop_size is {self.crop_size}; it must be odd, the cursor is in the centre")
        return self


class SourceOptions(Section):
    """Where games of an expert come from."""

    kind: Literal["expert", "nld_aa", "nld_aa_taster"] = Field(
        description="`expert`: our symbolic player plays them; `nld_aa`, `nld_aa_taster`: AutoAscend's "
        "recordings, downloaded on first use."
    )
    games: PositiveInt = Field(description="Games to play, or the most to take from the recordings.")
    max_steps: PositiveInt = Field(description="Steps of a game that our player plays at most.")
    role: str | None = Field(default=None, description="Take only games of this role, e.g. `Mon`.")
    race: str | None = Field(default=None, description="Take only games of this race, e.g. `Hum`.")
    alignment: str | None = Field(default=None, description="Take only games of this alignment, e.g. `Neu`.")


class CloneOptions(Section):
    """Cloning of the expert's actions."""

    passes: PositiveFloat = Field(description="How often each step of the games is learned from.")
    streams: PositiveInt = Field(description="Games read side by side: sequences in a gradient step.")
    sequence_length: PositiveInt = Field(
        description="Steps of each sequence; the LSTM's state is carried on."
    )
    learning_rate: PositiveFloat = Field(description="Adam's, decayed to 0 along a cosine.")
    max_grad_norm: PositiveFloat = Field(description="The gradient's norm is cut to this.")
    held_out: Fraction = Field(description="Share of the games that accuracy and perplexity are measured on.")


class CriticOptions(Section):
    """Critic pre-training: APPO with all but the value head frozen."""

    steps: NonNegativeInt = Field(description="Environment steps.")


class PretrainOptions(Section):
    """How pi* is made."""

    recipe: Literal["clone", "published"] = Field(
        description="`clone`: clone the source's games; `published`: the weights that were published with "
        "the paper's data, imported with `fpc import-policy`."
    )
    source: SourceOptions = Field(description="The expert's games.")
    clone: CloneOptions | None = Field(default=None, description="Needed with the recipe `clone`.")
    published: str | None = Field(
        default=None, description="Path of the imported safetensors; needed with the recipe `published`."
    )
    critic: CriticOptions = Field(description="Critic pre-training.")
    appo: APPOOptions = Field(description="APPO for the critic pre-training.")
    probe_games: PositiveInt = Field(description="Games that pi*'s return is measured on.")

    @model_validator(mode="after")
    def _recipe_is_complete(self) -> Self:
        needed = self.recipe
        if getattr(self, needed) is None:
            other = "published" if needed == "clone" else "clone"
            raise ValueError(f"recipe `{needed}` needs the key `{needed}`; add it, or set recipe: {other}")
        return self


class StartStateOptions(Section):
    """Start states of one probe."""

    count: NonNegativeInt = Field(description="How many; 0 leaves the probe out.")
    max_games: PositiveInt = Field(description="Give up after so many games of the expert.")


class CollectOptions(Section):
    """The expert data and the start states of the probes."""

    recipe: Literal["stored", "streamed"] = Field(
        description="`stored`: pi*'s outputs and features on the source's games are kept in "
        "expert.safetensors (needs a frozen encoder); `streamed`: games are read while training."
    )
    source: SourceOptions | None = Field(
        default=None, description="The games; without it those pi* was cloned from."
    )
    transitions: PositiveInt = Field(description="Steps to keep with `stored`.")
    far_level: PositiveInt = Field(description="Dungeon level whose first entry is the Far probe.")
    level: StartStateOptions = Field(description="First entries of `far_level` by our expert.")
    sokoban: StartStateOptions = Field(description="Entries of Sokoban's first level.")
    max_steps: PositiveInt = Field(description="The expert's steps to an entry at most.")
    divergence_games: NonNegativeInt = Field(
        description="Expert games on which the divergence from pi* is measured, apart from those that "
        "methods learn from; 0 leaves it out."
    )


class FinetuneOptions(Section):
    """Fine-tuning on the score task."""

    appo: APPOOptions = Field(description="APPO.")
    steps: PositiveInt = Field(description="Environment steps of every method.")
    evaluate_every: PositiveInt = Field(description="Environment steps between milestones; also one at 0.")
    retention_entropy_coefficient: NonNegativeFloat = Field(
        default=0.0,
        exclude_if=_is_zero,  # younger than published results: where it is not used, digests stay
        description="Weight of the entropy bonus with methods that add a term to the loss, in place of "
        "`appo.entropy_coefficient`.",
    )


class EvaluateOptions(Section):
    """What is measured on each milestone."""

    episodes: PositiveInt = Field(description="Games of the probes level_1 and of the Far level.")
    sokoban_episodes: NonNegativeInt = Field(description="Games of the probe sokoban; 0 leaves it out.")
    final_episodes: PositiveInt = Field(
        description="Games from the start with the first and the last milestone (tables 4 and 5)."
    )
    max_steps: PositiveInt = Field(description="Environment steps of a game that is evaluated.")
    far_max_steps: PositiveInt = Field(description="Environment steps after the start state of a Far probe.")
    batch: PositiveInt = Field(description="Games played side by side; it changes rounding, so it is fixed.")


class NetHackExperiment(Experiment):
    """NetHack's score task with one choice of character, network and budgets."""

    environment: EnvironmentOptions = Field(description="The task.")
    network: NetworkOptions = Field(description="The network.")
    pretrain: PretrainOptions = Field(description="How pi* is made.")
    collect: CollectOptions = Field(description="Expert data and start states.")
    finetune: FinetuneOptions = Field(description="Fine-tuning.")
    evaluate: EvaluateOptions = Field(description="Measurements.")

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        appo = self.finetune.appo
        if self.collect.recipe == "stored" and (appo.train == "all" or appo.batch_norm == "moving"):
            raise ValueError(
                "collect.recipe `stored` keeps features of pi*'s encoder, but finetune.appo changes the "
                f"encoder (train: {appo.train}, batch_norm: {appo.batch_norm}); "
                "set collect.recipe: streamed, or train: core and batch_norm: frozen"
            )
        if self.collect.far_level < 2:
            raise ValueError("collect.far_level must be at least 2: games start on level 1")
        return self
