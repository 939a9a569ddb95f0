"""Configuration of Montezuma's Revenge (paper, section 4 and its appendix; values of the PPO-RND code)."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from fpc.config.base import Fraction, NonNegativeInt, PositiveFloat, PositiveInt, Section
from fpc.config.experiment import Experiment
from fpc.config.milestones import MilestoneOptions
from fpc.learners.appo.options import APPOOptions
from fpc.learners.appo.rnd_options import RNDOptions

ROOMS = 24
Goal = Literal["any", "points"]


class EnvironmentOptions(Section):
    """The preprocessed game."""

    frame_skip: PositiveInt = Field(
        description="Emulator frames per step; the observation is the maximum of the last two."
    )
    sticky: Fraction = Field(description="Probability that a step repeats the previous action.")
    max_steps: PositiveInt = Field(description="Steps after which a game is truncated.")
    screen_size: PositiveInt = Field(description="Side of the square greyscale frame in pixels.")
    frame_stack: PositiveInt = Field(description="Frames stacked in one observation.")
    room: PositiveInt = Field(
        le=ROOMS, description="Number (in visiting order) of the room where Far begins; 7 in the paper."
    )
    room_max_steps: PositiveInt = Field(
        description="Step limit of an attempt in the room from a start state."
    )
    start_room: PositiveInt | None = Field(
        default=None,
        le=ROOMS,
        description="Number of the room at whose entry games of fine-tuning and of the probe `start` begin: "
        "the last entry on each of the expert's trajectories to a start state in `room`, if they have not "
        "been in `room` before; null: the game's own start.",
    )
    measure_from: Literal["all", "entries"] = Field(
        default="all",
        description="Start states of the attempts that are measured: all in `room`, or those at which it is "
        "entered. Training uses all.",
    )
    goal: Goal = Field(
        default="any",
        description="What succeeds in a room: `any`: points, an item, or an exit other than the entrance "
        "(the paper); `points`: points alone, and leaving the room is a failure. Start states lie on the "
        "expert's passages that succeeded.",
    )

    @model_validator(mode="after")
    def _close_comes_before_far(self) -> Self:
        if self.start_room == self.room:
            raise ValueError(
                f"environment.start_room is {self.room}, the room where Far begins; choose a room before it, "
                "or null for the game's own start"
            )
        return self


class NetworkOptions(Section):
    """Sizes of the policy: three convolutions (8x8 stride 4, 4x4 stride 2, 3x3 stride 1), two layers."""

    channels: tuple[PositiveInt, PositiveInt, PositiveInt] = Field(
        description="Output channels of the convolutions."
    )
    hidden: tuple[PositiveInt, PositiveInt] = Field(description="Units of the two fully connected layers.")


class GoExploreOptions(Section):
    """First phase of Go-Explore (Ecoffet et al. 2021): an archive of cells, without sticky actions."""

    steps: PositiveInt = Field(description="Steps of the search, of `frame_skip` emulator frames each.")
    burst: PositiveInt = Field(description="Random steps after each return to a cell.")
    repeat: Fraction = Field(description="Probability of repeating the previous action.")


class PPORNDOptions(Section):
    """An expert trained from the start of the game with APPO and RND, with the options of `pretrain`."""

    steps: PositiveInt = Field(
        description="Environment steps; with `target_return` at most: reaching them without it is an error."
    )
    target_return: PositiveFloat | None = Field(
        default=None,
        description="Training stops when the mean return (points) of the `recent_games` last games and that "
        "of `confirming_games` new ones reach this; null: train for `steps`.",
    )
    check_every: PositiveInt = Field(
        default=10_000_000, description="Environment steps between two checks of `target_return`."
    )
    recent_games: PositiveInt = Field(
        default=100, description="Games in training over which the return is averaged."
    )
    confirming_games: PositiveInt = Field(
        default=100, description="Games on fresh seeds that confirm the return."
    )
    accept_below_target: bool = Field(
        default=False, description="Continue with an agent that spent `steps` below `target_return`."
    )
    trajectories: PositiveInt = Field(
        description="Games played after training; those that reach the room are kept."
    )


class ExpertOptions(Section):
    """The expert that finds the way to the room."""

    recipe: Literal["go_explore", "ppo_rnd"] = Field(
        description="`go_explore`: a search with the emulator's save states; `ppo_rnd`: an agent trained "
        "from the start of the game."
    )
    go_explore: GoExploreOptions | None = Field(default=None, description="Needed with `go_explore`.")
    ppo_rnd: PPORNDOptions | None = Field(default=None, description="Needed with `ppo_rnd`.")
    start_states: PositiveInt = Field(description="Maximum number of start states kept per room.")
    demonstrations: PositiveInt = Field(
        description="Games kept per room, if enough were found; a game counts for every room it enters."
    )

    @model_validator(mode="after")
    def _recipe_is_complete(self) -> Self:
        if getattr(self, self.recipe) is None:
            raise ValueError(f"recipe `{self.recipe}` needs the key `{self.recipe}`; add it")
        return self


class CloneOptions(Section):
    """Cloning of the expert's actions in the demonstrations from the room on."""

    updates: PositiveInt = Field(description="Gradient steps of cloning.")
    batch_size: PositiveInt = Field(description="Batch size of a gradient step, in states.")
    learning_rate: PositiveFloat = Field(description="Learning rate of Adam.")


class PretrainOptions(Section):
    """How pi* is trained."""

    expert: ExpertOptions = Field(description="Start states and demonstrations.")
    recipe: Literal["rl_from_room", "clone"] = Field(
        description="`rl_from_room`: APPO with RND, starting in the room; `clone`: clone the expert's "
        "actions from the room on."
    )
    clone: CloneOptions | None = Field(default=None, description="Needed with the recipe `clone`.")
    task: Literal["game", "room"] = Field(
        description="Task of `rl_from_room`: the game from the room on, or success in the room "
        "(reward 1; the episode ends with success or with the loss of a life)."
    )
    steps: NonNegativeInt = Field(description="Environment steps of `rl_from_room`.")
    appo: APPOOptions = Field(description="APPO.")
    rnd: RNDOptions = Field(description="Random network distillation.")
    probe_episodes: PositiveInt = Field(
        description="Attempts used to measure the success of pi* and of a random policy."
    )
    least_gain_over_random: Fraction | None = Field(
        default=0.2,
        description="Least success of pi* in the room minus a random policy's in the same attempts; below it "
        "pi* is not published, as it knows too little to forget. null: not asked.",
    )

    @model_validator(mode="after")
    def _recipe_is_complete(self) -> Self:
        if self.recipe == "clone" and self.clone is None:
            raise ValueError("recipe `clone` needs the key `clone`; add it, or set recipe: rl_from_room")
        agent = self.expert.ppo_rnd
        if agent and agent.target_return and self.appo.learning_rate_schedule != "constant":
            raise ValueError(
                "expert.ppo_rnd.target_return needs appo.learning_rate_schedule: constant, as the number of "
                "steps is not known in advance"
            )
        if self.recipe == "rl_from_room" and not self.steps:
            raise ValueError("recipe `rl_from_room` needs steps above 0")
        return self


class CollectOptions(Section):
    """The expert data: states of pi* from the room on."""

    trajectories: PositiveInt = Field(
        description="Games played by pi* from start states in the room; with `pretrain.task: room`, attempts."
    )
    states: PositiveInt = Field(description="States sampled from these games, in random order.")
    max_steps: PositiveInt = Field(description="Maximum steps of a game or attempt.")
    start_fractions: tuple[Annotated[float, Field(ge=0.0, lt=1.0)], ...] = Field(
        default=(0.0,),
        min_length=1,
        description="Where in the stay in `environment.start_room` games begin, as fractions of its steps: 0 "
        "is the entry itself. Not used without `start_room`.",
    )


class FinetuneOptions(MilestoneOptions):
    """Fine-tuning on the whole game."""

    appo: APPOOptions = Field(description="APPO.")
    rnd: RNDOptions = Field(description="Random network distillation.")


class EvaluateOptions(Section):
    """What is measured on each milestone."""

    episodes: PositiveInt = Field(description="Attempts in the room (Far) at each milestone.")
    start_episodes: PositiveInt = Field(description="Games from the start (Close) at each milestone.")
    pi_star_episodes: PositiveInt = Field(
        description="Attempts, and games from the start, of pi* itself, which is measured once: "
        "start states in turn, each at least once."
    )
    max_steps: PositiveInt = Field(description="Step limit of a game from the start.")


class MontezumaExperiment(Experiment):
    """Montezuma's Revenge with a given room, network and budgets."""

    environment: EnvironmentOptions = Field(description="The task.")
    network: NetworkOptions = Field(description="The policy.")
    pretrain: PretrainOptions = Field(description="How pi* is trained.")
    collect: CollectOptions = Field(description="Expert data.")
    finetune: FinetuneOptions = Field(description="Fine-tuning.")
    evaluate: EvaluateOptions = Field(description="Measurements.")

    @property
    def finetune_needs_collect(self) -> bool:
        """Games that begin in a later room need its start states."""
        return self.environment.start_room is not None

    @model_validator(mode="after")
    def _whole_network_is_trained(self) -> Self:
        for name, section in (("pretrain", self.pretrain), ("finetune", self.finetune)):
            if section.appo.train != "all":
                raise ValueError(f"{name}.appo.train must be all: the policy has no LSTM to train alone")
        if self.environment.screen_size < 36:
            raise ValueError("environment.screen_size must be at least 36: the convolutions need it")
        return self
