"""Configuration of Montezuma's Revenge (paper, section 4 and its appendix; values of the PPO-RND code)."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from fpc.config.base import Fraction, NonNegativeInt, PositiveFloat, PositiveInt, Section
from fpc.config.experiment import Experiment
from fpc.learners.appo.options import APPOOptions
from fpc.learners.appo.rnd_options import RNDOptions

ROOMS = 24


class EnvironmentOptions(Section):
    """The game as the agent sees it."""

    frame_skip: PositiveInt = Field(
        description="Emulator frames of one step; the last two are joined by maximum."
    )
    sticky: Fraction = Field(description="Probability that a step repeats the action before it.")
    max_steps: PositiveInt = Field(description="Steps of a game; then it is truncated.")
    screen_size: PositiveInt = Field(description="Side of the grey picture in pixels.")
    frame_stack: PositiveInt = Field(description="Pictures in one observation.")
    room: PositiveInt = Field(
        le=ROOMS, description="Number (in visiting order) of the room that Far begins with; the paper's is 7."
    )
    room_max_steps: PositiveInt = Field(description="Steps of an attempt in the room, from a start state.")


class NetworkOptions(Section):
    """Sizes of the policy: three convolutions (8x8 stride 4, 4x4 stride 2, 3x3 stride 1), two layers."""

    channels: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        description="Channels of the convolutions."
    )
    hidden: tuple[PositiveInt, PositiveInt] = Field(description="Units of the two layers after them.")


class GoExploreOptions(Section):
    """First phase of Go-Explore (Ecoffet et al. 2021): an archive of cells, sticky actions off."""

    steps: PositiveInt = Field(description="Steps of the search (times the frame skip: emulator frames).")
    burst: PositiveInt = Field(description="Random steps after each return to a cell.")
    repeat: Fraction = Field(description="Probability to go on with the action before.")


class PPORNDOptions(Section):
    """An expert trained from the start of the game with APPO and RND, with the options of `pretrain`."""

    steps: PositiveInt = Field(description="Environment steps.")
    trajectories: PositiveInt = Field(description="Games it then plays; those that reach the room are kept.")


class ExpertOptions(Section):
    """Who finds the way to the room."""

    recipe: Literal["go_explore", "ppo_rnd"] = Field(
        description="`go_explore`: a search with the emulator's save states; `ppo_rnd`: an agent trained "
        "from the start of the game."
    )
    go_explore: GoExploreOptions | None = Field(default=None, description="Needed with `go_explore`.")
    ppo_rnd: PPORNDOptions | None = Field(default=None, description="Needed with `ppo_rnd`.")
    start_states: PositiveInt = Field(description="Start states to keep of each room at most.")
    demonstrations: PositiveInt = Field(
        description="Games to keep through each room, where there are so many; each counts for all its rooms."
    )

    @model_validator(mode="after")
    def _recipe_is_complete(self) -> Self:
        if getattr(self, self.recipe) is None:
            raise ValueError(f"recipe `{self.recipe}` needs the key `{self.recipe}`; add it")
        return self


class CloneOptions(Section):
    """Cloning of the expert's actions in the demonstrations from the room on."""

    updates: PositiveInt = Field(description="Gradient steps.")
    batch_size: PositiveInt = Field(description="States in a gradient step.")
    learning_rate: PositiveFloat = Field(description="Adam's.")


class PretrainOptions(Section):
    """How pi* is made."""

    expert: ExpertOptions = Field(description="Start states and demonstrations.")
    recipe: Literal["rl_from_room", "clone"] = Field(
        description="`rl_from_room`: APPO with RND on games that begin in the room; `clone`: the expert's "
        "actions from the room on."
    )
    clone: CloneOptions | None = Field(default=None, description="Needed with the recipe `clone`.")
    task: Literal["game", "room"] = Field(
        description="What `rl_from_room` learns: the game from the room on, or success in the room "
        "(reward 1, then the game ends; so does it with a life)."
    )
    steps: NonNegativeInt = Field(description="Environment steps of `rl_from_room`.")
    appo: APPOOptions = Field(description="APPO.")
    rnd: RNDOptions = Field(description="Random network distillation.")
    probe_episodes: PositiveInt = Field(
        description="Attempts that pi*'s and a random policy's success are measured on."
    )

    @model_validator(mode="after")
    def _recipe_is_complete(self) -> Self:
        if self.recipe == "clone" and self.clone is None:
            raise ValueError("recipe `clone` needs the key `clone`; add it, or set recipe: rl_from_room")
        if self.recipe == "rl_from_room" and not self.steps:
            raise ValueError("recipe `rl_from_room` needs steps above 0")
        return self


class CollectOptions(Section):
    """The expert data: states of pi* from the room on."""

    trajectories: PositiveInt = Field(description="Games of pi* from start states in the room.")
    states: PositiveInt = Field(description="States drawn from them, in random order.")
    max_steps: PositiveInt = Field(description="Steps of such a game at most.")


class FinetuneOptions(Section):
    """Fine-tuning on the whole game."""

    appo: APPOOptions = Field(description="APPO.")
    rnd: RNDOptions = Field(description="Random network distillation.")
    steps: PositiveInt = Field(description="Environment steps of every method.")
    evaluate_every: PositiveInt = Field(description="Environment steps between milestones; also one at 0.")


class EvaluateOptions(Section):
    """What is measured on each milestone."""

    episodes: PositiveInt = Field(description="Attempts in the room (Far).")
    start_episodes: PositiveInt = Field(description="Games from the start (Close).")
    max_steps: PositiveInt = Field(description="Steps of such a game.")


class MontezumaExperiment(Experiment):
    """Montezuma's Revenge with one choice of room, network and budgets."""

    environment: EnvironmentOptions = Field(description="The task.")
    network: NetworkOptions = Field(description="The policy.")
    pretrain: PretrainOptions = Field(description="How pi* is made.")
    collect: CollectOptions = Field(description="Expert data.")
    finetune: FinetuneOptions = Field(description="Fine-tuning.")
    evaluate: EvaluateOptions = Field(description="Measurements.")

    @model_validator(mode="after")
    def _whole_network_is_trained(self) -> Self:
        for name, section in (("pretrain", self.pretrain), ("finetune", self.finetune)):
            if section.appo.train != "all":
                raise ValueError(f"{name}.appo.train must be all: the policy has no LSTM to train alone")
        if self.environment.screen_size < 36:
            raise ValueError("environment.screen_size must be at least 36: the convolutions need it")
        return self
