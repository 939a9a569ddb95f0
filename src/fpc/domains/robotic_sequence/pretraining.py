"""pretrain: train pi*, which is good in the pre-trained stages, and critics for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import pandas as pd
import torch

from fpc.core.checkpoint import load_checkpoint
from fpc.core.files import read_json, read_tensors, write_json, write_table, write_tensors
from fpc.core.metric_log import MetricLog
from fpc.core.seeds import generator_of, short_seeds_of
from fpc.core.torch_settings import configure_torch
from fpc.domains.finetuning import CRITIC, POLICY, TRAINING, run_fields
from fpc.domains.interface import Run
from fpc.domains.robotic_sequence.cloning import clone, evaluate_policy
from fpc.domains.robotic_sequence.collecting import new_actor
from fpc.domains.robotic_sequence.config import (
    CloneOptions,
    EnvironmentOptions,
    PretrainOptions,
    RoboticSequenceExperiment,
)
from fpc.domains.robotic_sequence.environment import RoboticSequence, probe_names
from fpc.domains.robotic_sequence.expert import Act, Rollouts, ScriptedExpert, roll_out, success_rate
from fpc.domains.robotic_sequence.stage import ACTION_SIZE
from fpc.learners.interface import Trained, Weights
from fpc.learners.sac import SAC, SACSpecification
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.update import Updater

LOG = "log"  # among the kept tensors: the table so far
SAC_STATE = "sac"  # in the run's state
SOLVED = "solved.json"  # in the run's state: the step at which pi* was good enough


class PretrainedStagesOnly(gymnasium.Wrapper[Any, Any, Any, Any]):
    """The sequence without its Close stages, but with the heads and one-hot of the full sequence."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        """Start at the first pre-trained stage."""
        stages = self.unwrapped.options.pretrained_stages  # type: ignore[attr-defined]
        return self.env.reset(seed=seed, options={**(options or {}), "stages": stages})


def pretrain(experiment: RoboticSequenceExperiment, run: Run) -> None:
    """Train pi* and write ``policy.safetensors``, ``critic.safetensors`` and ``training.parquet``."""
    configure_torch()
    environment, options = experiment.environment, experiment.pretrain
    log = MetricLog()
    if options.recipe == "clone":
        assert options.clone is not None  # guaranteed by the configuration
        actor, critics = _cloned(environment, options, options.clone, run, log)
    else:
        actor, critics = new_networks(RoboticSequence(environment), options, generator_of(run.seed, 0))
    tables = []
    if options.steps:
        initial = (actor.state_dict(), critics.state_dict()) if options.recipe == "clone" else (None, None)
        trained = _trained(environment, options, run, *initial)
        actor.load_state_dict(dict(trained.policy))
        critics.load_state_dict(dict(trained.critic))
        tables.append(trained.table)
    _probe(RoboticSequence(environment), actor, options, run.seed, log)
    write_tensors(run.output / POLICY, actor.state_dict())
    write_tensors(run.output / CRITIC, critics.state_dict())
    write_table(run.output / TRAINING, pd.concat([log.table(run.seed), *tables], ignore_index=True))


def new_networks(
    environment: RoboticSequence, options: PretrainOptions, generator: torch.Generator
) -> tuple[Actor, Critics]:
    """An actor and critics of the configured size."""
    (size,) = environment.observation_space.shape or (0,)
    shape = (size, ACTION_SIZE, len(environment.tasks), options.sac)
    return Actor(*shape, generator), Critics(*shape, generator)


def deterministic(actor: Actor) -> Act:
    """The policy's mean as a controller."""
    return lambda observation: actor.act(observation, deterministic=True)


def sampled(actor: Actor, generator: torch.Generator) -> Act:
    """The policy, sampled, as a controller."""
    return lambda observation: actor.act(observation, generator=generator)


def _check_seeds(seed: int, count: int) -> list[int]:
    return short_seeds_of(seed, 1, count=count)


def _probe(
    environment: RoboticSequence, actor: Actor, options: PretrainOptions, seed: int, log: MetricLog
) -> None:
    """Measure pi*'s success in every stage; it should fail in the Close ones."""
    seeds = _check_seeds(seed, options.probe_episodes)
    for stage, name in enumerate(probe_names(environment.options.stages)):
        rate = success_rate(environment, deterministic(actor), stage, seeds)
        log.add(options.steps, **{f"probe_success_{name}": rate})


def _was_solved(state: Path) -> bool:
    """Whether training had already stopped at `stop_success` when the run was interrupted."""
    if not (state / SOLVED).exists():
        return False
    checkpoint = load_checkpoint(state / SAC_STATE)
    return checkpoint is not None and checkpoint.step >= read_json(state / SOLVED)["step"]


def _trained(
    environment: EnvironmentOptions,
    options: PretrainOptions,
    run: Run,
    initial_policy: Weights | None,
    initial_critic: Weights | None,
) -> Trained:
    """Run SAC on the pre-trained stages until each is solved or the budget is spent."""
    checked = RoboticSequence(environment)
    checked_actor = new_actor(checked, options.sac)
    seeds = _check_seeds(run.seed, options.probe_episodes)
    solved = _was_solved(run.state)

    def check(step: int, policy: Weights, critic: Weights) -> None:
        nonlocal solved
        checked_actor.load_state_dict(dict(policy))
        act = deterministic(checked_actor)
        rates = [success_rate(checked, act, stage, seeds) for stage in environment.pretrained_stages]
        solved = min(rates) >= options.stop_success
        if solved:
            write_json(run.state / SOLVED, {"step": step})

    specification = SACSpecification(
        **run_fields(run, run.state / SAC_STATE),
        environment=PretrainedStagesOnly(RoboticSequence(environment)),
        options=options.sac,
        stages=len(environment.stages),
        steps=options.steps,
        initial_policy=initial_policy,
        initial_critic=initial_critic,
        milestones=tuple(range(options.probe_every, options.steps + 1, options.probe_every)),
        on_milestone=check,
        stop=lambda: solved,
    )
    return SAC().train(specification)


def _cloned(
    environment: EnvironmentOptions, options: PretrainOptions, cloning: CloneOptions, run: Run, log: MetricLog
) -> tuple[Actor, Critics]:
    """Clone the actor and train its critics; the cloned actor is saved in the run's state."""
    sequence = RoboticSequence(environment)
    actor, critics = new_networks(sequence, options, generator_of(run.seed, 0))
    data = _expert_data(sequence, cloning, run.seed)
    total = cloning.updates + cloning.critic_updates

    def reporter(done: int) -> Callable[[int, dict[str, float]], None]:
        def report(update: int, measures: dict[str, float]) -> None:
            log.add(0, **measures)
            run.report(done + update, total, **measures)

        return report

    kept = run.state / "cloned.safetensors"
    if kept.exists():
        tensors = read_tensors(kept)
        log.restore(["cloning_loss"], tensors.pop(LOG))
        actor.load_state_dict(tensors)
    else:
        clone(actor, data, cloning, generator_of(run.seed, 2), reporter(0))
        write_tensors(kept, {**actor.state_dict(), LOG: log.tensor()})
    if cloning.critic_updates:
        controller = sampled(actor, generator_of(run.seed, 3))
        own = [
            roll_out(sequence, controller, stage, cloning.critic_transitions, run.seed + 1)
            for stage in environment.pretrained_stages
            if cloning.critic_transitions
        ]
        frozen = options.sac.model_copy(update={"critic_warmup_updates": cloning.critic_updates})
        targets = Critics(*_shape(sequence, options))
        targets.load_state_dict(critics.state_dict())
        updater = Updater(actor, critics, targets, frozen, generator_of(run.seed, 4))
        evaluate_policy(
            updater, Rollouts.joined([data, *own]), cloning.critic_updates, reporter(cloning.updates)
        )
    return actor, critics


def _shape(environment: RoboticSequence, options: PretrainOptions) -> tuple[int, int, int, Any]:
    (size,) = environment.observation_space.shape or (0,)
    return size, ACTION_SIZE, len(environment.tasks), options.sac


def _expert_data(environment: RoboticSequence, options: CloneOptions, seed: int) -> Rollouts:
    expert = ScriptedExpert(environment)
    return Rollouts.joined(
        [
            roll_out(environment, expert, stage, options.transitions, seed, options.action_noise)
            for stage in environment.options.pretrained_stages
        ]
    )
