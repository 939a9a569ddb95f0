"""Configuration of RoboticSequence (paper, section 4 and appendix on RoboticSequence)."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from fpc.config.base import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Section,
)
from fpc.config.experiment import Experiment
from fpc.config.milestones import MilestoneOptions
from fpc.core.errors import unknown
from fpc.domains.robotic_sequence.meta_world import TASKS
from fpc.learners.sac.options import SACOptions

NETWORK = (
    "hidden_sizes",
    "activation",
    "leaky_relu_slope",
    "layer_norm",
    "layer_norm_activation",
    "layer_norm_epsilon",
    "stage_in_trunk",
    "log_std_bounds",
)

CONTINUED_CHECKS = 5  # while SAC goes on from pi*


class StageOptions(Section):
    """One stage; in the configuration a bare task name means a stage without a shift."""

    name: Annotated[str, AfterValidator(_task)] = Field(
        description="Meta-World task without its version, e.g. `push-wall`."
    )
    shift: float = Field(default=0.0, description="Added to each of Meta-World's 39 numbers (figure 22: c).")


def _task(name: str) -> str:
    if name not in TASKS:
        raise ValueError(unknown("Meta-World task", name, TASKS))
    return name


def _stage(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class EnvironmentOptions(Section):
    """The sequence of tasks."""

    stages: tuple[
        Annotated[StageOptions, BeforeValidator(_stage, json_schema_input_type=str | StageOptions)], ...
    ] = Field(min_length=1, description="Tasks, in the order in which they must be solved.")
    pretrained_stages: tuple[NonNegativeInt, ...] = Field(
        min_length=1, description="Indices of the stages pi* is trained on (Far); the others are Close."
    )
    max_steps: PositiveInt = Field(description="T, the step limit of each stage.")
    success_factor: NonNegativeFloat = Field(
        description="The last reward of a solved stage is success_factor * reward * (T - t)."
    )
    reward_scale: PositiveFloat = Field(description="Multiplies every reward.")

    @model_validator(mode="after")
    def _indices_exist(self) -> Self:
        if wrong := [index for index in self.pretrained_stages if index >= len(self.stages)]:
            raise ValueError(
                f"pretrained_stages {wrong} are not indices of the {len(self.stages)} stages; "
                f"allowed: 0 to {len(self.stages) - 1}"
            )
        if list(self.pretrained_stages) != sorted(set(self.pretrained_stages)):
            raise ValueError("pretrained_stages must be in increasing order and name each stage once")
        return self


class CloneOptions(Section):
    """Cloning of Meta-World's scripted policies, a cheap way to obtain a good pi*."""

    transitions: PositiveInt = Field(description="Expert transitions per pre-trained stage.")
    action_noise: NonNegativeFloat = Field(
        description="Standard deviation of noise on the expert's actions, so that the data show recoveries."
    )
    updates: PositiveInt = Field(description="Gradient steps of the actor.")
    batch_size: PositiveInt = Field(description="Batch size of a gradient step, in states.")
    learning_rate: PositiveFloat = Field(
        description="Initial learning rate of Adam, decayed to 0 along a cosine."
    )
    log_standard_deviation: float = Field(
        description="Log of the policy's standard deviation before tanh; fitted along with the mean."
    )
    critic_updates: NonNegativeInt = Field(
        description="Gradient steps of the critics (policy evaluation of pi* on its own rollouts); "
        "an untrained critic would destroy pi* within the first updates of fine-tuning."
    )
    critic_transitions: NonNegativeInt = Field(
        description="Transitions from pi*'s own rollouts, per pre-trained stage, for training the critics."
    )


class PretrainOptions(Section):
    """How pi* is trained."""

    recipe: Literal["sac", "clone"] = Field(
        description="`sac`: SAC on the pre-trained stages, each by itself and in turn (the paper); `clone`: "
        "cloning of scripted experts."
    )
    sac: SACOptions = Field(description="SAC; both recipes use its network for pi*.")
    steps: NonNegativeInt = Field(description="Environment steps of SAC; with `clone`, after cloning.")
    stop_success: NonNegativeFloat = Field(
        description="Stop SAC once every pre-trained stage is solved at this rate (over probe_episodes), the "
        "rate is confirmed on as many fresh episodes, and pi* passes the other gates (the three `least_...`)."
    )
    accept_below: Fraction | None = Field(
        default=None,
        description="Lowest success of pi* that is accepted although it is below stop_success when the "
        "budget is spent; null: that is an error.",
    )
    least_value_correlation: Annotated[float, Field(ge=-1, le=1)] | None = Field(
        default=0.8,
        description="Least correlation, in each pre-trained stage, of the critics' value with the soft "
        "return of pi*'s own rollouts; below it pi* is not published. null: not asked.",
    )
    least_sampled_success: Fraction | None = Field(
        default=0.9,
        description="Least success, in each pre-trained stage, of pi* with sampled actions, as SAC acts, on "
        "fresh episodes. null: not asked.",
    )
    continued_updates: NonNegativeInt = Field(
        default=10_000,
        description="Updates for which SAC goes on from pi* in the pre-trained stages alone, begun as "
        "fine-tuning begins: what is lost here is not lost for want of visits. 0: not asked.",
    )
    least_continued_success: Fraction = Field(
        default=0.8,
        description="Least success, in each pre-trained stage, over `continued_updates`: of the average over "
        "five checks, and of the last check.",
    )
    probe_every: PositiveInt = Field(description="Environment steps between checks of `stop_success`.")
    probe_episodes: PositiveInt = Field(description="Episodes per stage in a check and in the final probe.")
    clone: CloneOptions | None = Field(default=None, description="Needed with the recipe `clone`.")

    @property
    def continued_checks(self) -> tuple[int, ...]:
        """Environment steps of the checks while SAC goes on; the last is after ``continued_updates``."""
        if not self.continued_updates:
            return ()
        every, rounds = self.sac.update_every, ceil(self.continued_updates / self.sac.updates_per_round)
        first = ceil(max(self.sac.update_after, 1) / every)  # when the first round of updates is due
        shares = range(1, CONTINUED_CHECKS + 1)
        return tuple(sorted({(first - 1 + ceil(rounds * i / CONTINUED_CHECKS)) * every for i in shares}))

    @model_validator(mode="after")
    def _recipe_is_complete(self) -> Self:
        if self.recipe == "clone" and self.clone is None:
            raise ValueError("recipe `clone` needs the section `clone`; add it, or set recipe: sac")
        if self.recipe == "sac" and not self.steps:
            raise ValueError("recipe `sac` with steps 0 trains nothing; raise steps, or set recipe: clone")
        return self


class CollectOptions(Section):
    """The expert data and the start states of the probes."""

    states: PositiveInt = Field(
        description="States from pi*'s own rollouts, divided evenly among the pre-trained stages."
    )
    start_states: PositiveInt = Field(description="Start states of each probe.")
    analysis_states: PositiveInt = Field(
        description="States per pre-trained stage, from solved rollouts, for CKA, PCA and log-likelihood."
    )


class FinetuneOptions(MilestoneOptions):
    """Fine-tuning on the whole sequence."""

    sac: SACOptions = Field(description="SAC.")
    expert_in_buffer: bool = Field(
        default=False,
        description="The replay buffer of each run that starts from pi* begins with the collected "
        "transitions of pi*, not protected (episodic memory keeps its own).",
    )
    keep_critics: bool = Field(description="Save the critics in each milestone, to measure their CKA.")


class EvaluateOptions(Section):
    """What is measured on each milestone."""

    episodes: PositiveInt = Field(description="Episodes of each probe.")
    pi_star_episodes: PositiveInt = Field(
        description="Episodes of each probe for pi* itself, which is measured once: at least so many, and "
        "equally many from each start state (one only if actions are not sampled)."
    )
    stochastic: bool = Field(description="Sample actions; otherwise use the policy's mean.")
    analysis: bool = Field(description="Also measure CKA, log-likelihood and PCA.")


class RoboticSequenceExperiment(Experiment):
    """RoboticSequence with given stages."""

    environment: EnvironmentOptions = Field(description="The sequence of tasks.")
    pretrain: PretrainOptions = Field(description="How pi* is trained.")
    collect: CollectOptions = Field(description="Expert data and start states.")
    finetune: FinetuneOptions = Field(description="Fine-tuning.")
    evaluate: EvaluateOptions = Field(description="Measurements.")

    @property
    def pi_star_episodes(self) -> int:
        """Episodes of each probe for pi* itself; equally many from each start state."""
        starts = self.collect.start_states
        # Without sampled actions, another episode from the same start state would be the same episode.
        wanted = self.evaluate.pi_star_episodes if self.evaluate.stochastic else starts
        return ceil(wanted / starts) * starts

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        for name in NETWORK:
            before, after = getattr(self.pretrain.sac, name), getattr(self.finetune.sac, name)
            if before != after:
                raise ValueError(
                    f"pretrain.sac.{name} is {before} but finetune.sac.{name} is {after}; "
                    "fine-tuning continues pi*'s network, so make them equal"
                )
        if self.finetune.expert_in_buffer and self.collect.states >= self.finetune.sac.buffer_size:
            raise ValueError(
                f"finetune.expert_in_buffer puts collect.states, {self.collect.states}, transitions into a "
                f"buffer of finetune.sac.buffer_size, {self.finetune.sac.buffer_size}; raise the second or "
                "lower the first"
            )
        if self.evaluate.episodes > self.collect.start_states:
            raise ValueError(
                f"evaluate.episodes is {self.evaluate.episodes}, but collect.start_states is "
                f"{self.collect.start_states}; raise the second or lower the first"
            )
        return self
