"""pretrain, collect and finetune of AppleRetrieval."""

from __future__ import annotations

from copy import deepcopy
from math import ceil
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fpc.core.errors import DataError
from fpc.core.files import read_tensors, write_json, write_table, write_tensors
from fpc.core.milestones import write_milestone
from fpc.domains.apple_retrieval.config import AppleRetrievalExperiment, ReinforceSection
from fpc.domains.apple_retrieval.environment import Task
from fpc.domains.apple_retrieval.policy import ApplePolicy
from fpc.domains.apple_retrieval.rollout import Grid
from fpc.domains.apple_retrieval.streams import Streams
from fpc.domains.finetuning import EXPERT, POLICY, TRAINING, run_fields
from fpc.domains.interface import Run
from fpc.learners.interface import Weights
from fpc.learners.reinforce import Reinforce, ReinforceSpecification
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import MethodOptions
from fpc.retention.registry import load_method


def pretrain(experiment: AppleRetrievalExperiment, run: Run) -> None:
    """Train initial policies on phase 2 with REINFORCE."""
    section = experiment.pretrain
    grid = Grid(experiment.environment, run.seeds)
    policy = ApplePolicy.new(Streams(grid.runs, "initialisation"), section.initial_range)
    specification = ReinforceSpecification(
        **run_fields(run),
        **_task(grid, policy, "phase_2", section, run.phase),
        steps=section.updates,
        milestones=(section.updates,),
    )
    trained = Reinforce().train(specification)
    write_tensors(run.output / POLICY, trained.policy)
    _write_training(trained.table, grid, section, run)


def collect(experiment: AppleRetrievalExperiment, run: Run) -> None:
    """Roll out pi* in phase 2 and keep states in random order."""
    grid = Grid(experiment.environment, run.seeds)
    policy = read_policy(run, grid)
    wanted, max_steps = experiment.collect.states, experiment.environment.max_steps
    streams = Streams(grid.runs, "collect")
    # An episode of phase 2 lasts at least M steps, so this yields enough states for every run.
    episodes = max(ceil(wanted / min(max_steps, distance)) for distance in grid.distances.tolist())
    played = grid.rollout(policy, streams.draw(grid.uniform_shape(episodes)), "phase_2")
    indices = []
    for observation, active, generator in zip(
        np.moveaxis(played.observation, 1, 0),
        np.moveaxis(played.active, 1, 0),
        streams.generators,
        strict=True,
    ):
        indices.append(generator.permutation(observation[active])[:wanted])
    index = torch.from_numpy(np.stack(indices)).long().unsqueeze(-1)
    observations = grid.observations.gather(1, index)
    with torch.no_grad():
        expert = {"observations": observations, "outputs": policy.outputs(observations)}
    write_tensors(run.output / EXPERT, expert)
    write_json(run.output / "start_states.json", {"phase_1": "home", "phase_2": "apple", "whole": "home"})
    run.report(wanted, wanted)


def finetune(experiment: AppleRetrievalExperiment, method: str, options: MethodOptions, run: Run) -> None:
    """Fine-tune on the whole task with REINFORCE and a retention method."""
    section, grid = experiment.finetune, Grid(experiment.environment, run.seeds)
    method_class = load_method(method)
    teacher = read_policy(run, grid).requires_grad_(False) if "pretrain" in run.parents else None
    if method_class.pretrained and teacher is not None:
        policy = deepcopy(teacher).requires_grad_(True)
    else:
        policy = ApplePolicy.new(Streams(grid.runs, "initialisation of scratch"), section.initial_range)
    updates = section.updates if options.steps is None else ceil(options.steps / section.episodes_per_update)
    milestones = np.linspace(0, updates, section.milestones + 1).round().astype(int)

    def keep(update: int, weights: Weights, critic: Weights) -> None:
        write_milestone(run.output, update * section.episodes_per_update, weights)

    specification = ReinforceSpecification(
        **run_fields(run),
        **_task(grid, policy, "whole", section, run.phase),
        steps=updates,
        milestones=tuple(milestones.tolist()),
        on_milestone=keep,
        method=method_class(options),
        teacher=teacher,
        expert=_expert(run, grid),
        online_observations=section.online_observations,
    )
    trained = Reinforce().train(specification)
    _write_training(trained.table, grid, section, run)


def _task(
    grid: Grid, policy: ApplePolicy, task: Task, section: ReinforceSection, purpose: str
) -> dict[str, Any]:
    """Fields of a specification: the objective, with random numbers from the streams of ``purpose``."""
    streams, shape = Streams(grid.runs, purpose), grid.uniform_shape(section.episodes_per_update)
    return {
        "options": section,
        "policy": policy,
        "observations": grid.observations,
        "rollout": lambda: grid.rollout(policy, streams.draw(shape), task),
        "skip": lambda draws: streams.skip(draws, shape),
    }


def _expert(run: Run, grid: Grid) -> ExpertDataset | None:
    if "collect" not in run.parents:
        return None
    tensors = read_tensors(run.parents["collect"] / EXPERT)
    return ExpertDataset({name: spread(value, grid) for name, value in tensors.items()})


def _write_training(table: pd.DataFrame, grid: Grid, section: ReinforceSection, run: Run) -> None:
    """Means over bins of updates: step (episodes before the update), seed, metric, value, condition."""
    conditions, seeds = (np.array(column) for column in zip(*grid.runs, strict=True))
    columns = {
        "step": table["step"] * section.episodes_per_update,
        "seed": seeds[table["run"]],
        "metric": table["metric"],
        "value": table["value"],
        "condition": conditions[table["run"]],
    }
    write_table(run.output / TRAINING, pd.DataFrame(columns))


def read_policy(run: Run, grid: Grid) -> ApplePolicy:
    """pi* for each run of the grid."""
    tensors = read_tensors(run.parents["pretrain"] / POLICY)
    return ApplePolicy(spread(tensors["weight"], grid), spread(tensors["bias"], grid))


def spread(values: Tensor, grid: Grid) -> Tensor:
    """Values ``[K, ...]`` of pi* for each run of the grid, repeated where all seeds share one pi*.

    Raises:
        DataError: the values do not match the run's seeds.
    """
    conditions, seeds = len(grid.environment.conditions), len(grid.seeds)
    by_condition = values.reshape(conditions, -1, *values.shape[1:])
    if by_condition.shape[1] not in (1, seeds):
        raise DataError(f"pi* was trained with {by_condition.shape[1]} seeds, but this run has {seeds}")
    return by_condition.expand(-1, seeds, *[-1] * (values.dim() - 1)).reshape(-1, *values.shape[1:])
