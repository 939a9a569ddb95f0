"""pretrain, collect and finetune of AppleRetrieval."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from fpc.core.files import read_tensors, write_json, write_table, write_tensors
from fpc.domains.apple_retrieval.config import AppleRetrievalExperiment, ReinforceSection
from fpc.domains.apple_retrieval.environment import Task
from fpc.domains.apple_retrieval.policy import ApplePolicy
from fpc.domains.apple_retrieval.rollout import Grid
from fpc.domains.apple_retrieval.streams import Streams
from fpc.learners import reinforce
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import MethodOptions, RetentionContext, RetentionMethod
from fpc.retention.registry import load_method

if TYPE_CHECKING:
    from fpc.workflow.run import Run

PRETRAINED, EXPERT = "policy.safetensors", "expert.safetensors"
LOGGED_POINTS = 100  # of each curve in training.parquet


@dataclass(frozen=True)
class Learning:
    """What pre-training and fine-tuning do not share."""

    task: Task
    section: ReinforceSection
    updates: int
    milestones: frozenset[int]
    publish: Callable[[int], None]
    method: RetentionMethod
    context: RetentionContext
    online_observations: int = 1


def pretrain(experiment: AppleRetrievalExperiment, run: Run) -> None:
    """REINFORCE in phase 2 from new policies."""
    section = experiment.pretrain
    grid = Grid(experiment.environment, run.seeds)
    policy = ApplePolicy.new(Streams(grid.runs, "initialisation"), section.initial_range)
    none = load_method("scratch")(MethodOptions())
    learning = Learning(
        task="phase_2",
        section=section,
        updates=section.updates,
        milestones=frozenset({section.updates}),
        publish=lambda update: write_policy(run, PRETRAINED, policy),
        method=none,
        context=RetentionContext(policy, None, None, None, torch.Generator(), run_dimensions=1),
    )
    _learn(grid, policy, learning, run)


def collect(experiment: AppleRetrievalExperiment, run: Run) -> None:
    """Play pi* in phase 2 and keep states in random order."""
    grid = Grid(experiment.environment, run.seeds)
    policy = read_policy(run, grid)
    wanted, maximum_steps = experiment.collect.states, experiment.environment.maximum_steps
    streams = Streams(grid.runs, "collect")
    # An episode of phase 2 lasts for M steps at least, so these are enough states for every run.
    episodes = max(ceil(wanted / min(maximum_steps, distance)) for distance in grid.distances.tolist())
    played = grid.rollout(policy, streams.draw(grid.uniform_shape(episodes)), "phase_2")
    places = []
    for observation, active, generator in zip(
        np.moveaxis(played.observation, 1, 0),
        np.moveaxis(played.active, 1, 0),
        streams.generators,
        strict=True,
    ):
        places.append(generator.permutation(observation[active])[:wanted])
    index = torch.from_numpy(np.stack(places)).long().unsqueeze(-1)
    observations = grid.observations.gather(1, index)
    with torch.no_grad():
        expert = {"observations": observations, "outputs": policy.outputs(observations)}
    write_tensors(run.output / EXPERT, expert)
    write_json(run.output / "start_states.json", {"phase_1": "home", "phase_2": "apple", "whole": "home"})
    run.report(wanted, wanted)


def finetune(experiment: AppleRetrievalExperiment, method: str, options: MethodOptions, run: Run) -> None:
    """REINFORCE on the whole task with a retention method."""
    section = experiment.finetune
    grid = Grid(experiment.environment, run.seeds)
    kind = load_method(method)
    teacher = expert = None
    if "pretrain" in run.parents:
        teacher = read_policy(run, grid).requires_grad_(False)
    if "collect" in run.parents:
        tensors = read_tensors(run.parents["collect"] / EXPERT)
        expert = ExpertDataset({name: spread(value, grid) for name, value in tensors.items()})
    if kind.pretrained and teacher is not None:
        policy = deepcopy(teacher).requires_grad_(True)
    else:
        policy = ApplePolicy.new(Streams(grid.runs, "initialisation of scratch"), section.initial_range)
    updates = section.updates if options.steps is None else ceil(options.steps / section.episodes_per_update)
    steps = np.linspace(0, updates, section.milestones + 1).round().astype(int)
    learning = Learning(
        task="whole",
        section=section,
        updates=updates,
        milestones=frozenset(steps.tolist()),
        publish=lambda update: write_policy(
            run, f"milestones/step_{update * section.episodes_per_update}.safetensors", policy
        ),
        method=kind(options),
        context=RetentionContext(
            policy, teacher, expert, None, torch.Generator().manual_seed(0), run_dimensions=1
        ),
        online_observations=section.online_observations,
    )
    _learn(grid, policy, learning, run)


def _learn(grid: Grid, policy: ApplePolicy, learning: Learning, run: Run) -> None:
    """Train, and write ``training.parquet``."""
    section = learning.section
    streams = Streams(grid.runs, run.phase)
    shape = grid.uniform_shape(section.episodes_per_update)
    logs = reinforce.train(
        reinforce.Training(
            policy=policy,
            observations=grid.observations,
            rollout=lambda: grid.rollout(policy, streams.draw(shape), learning.task),
            skip=lambda draws: streams.skip(draws, shape),
            settings=section,
            updates=learning.updates,
            milestones=learning.milestones,
            publish=learning.publish,
            report=lambda update, metrics: run.report(update, learning.updates, **metrics),
            state=run.state,
            method=learning.method,
            context=learning.context,
            online_observations=learning.online_observations,
        )
    )
    write_table(run.output / "training.parquet", _training_table(logs, grid, section.episodes_per_update))


def _training_table(logs: dict[str, reinforce.Array], grid: Grid, episodes_per_update: int) -> pd.DataFrame:
    """step (episodes before the update), seed, metric, value, condition; means over bins of updates."""
    conditions, seeds = (np.array(column) for column in zip(*grid.runs, strict=True))
    parts = []
    for metric, values in logs.items():
        edges = np.unique(np.linspace(0, len(values), LOGGED_POINTS + 1).astype(int))
        means = np.add.reduceat(values, edges[:-1], axis=0) / np.diff(edges)[:, None]
        parts.append(
            pd.DataFrame(
                {
                    "step": np.repeat(edges[:-1] * episodes_per_update, len(seeds)),
                    "seed": np.tile(seeds, len(means)),
                    "metric": metric,
                    "value": means.ravel(),
                    "condition": np.tile(conditions, len(means)),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def write_policy(run: Run, name: str, policy: ApplePolicy) -> None:
    """Write w and b of all runs under ``run.output``."""
    write_tensors(run.output / name, policy.state_dict())


def read_policy(run: Run, grid: Grid) -> ApplePolicy:
    """pi* of each run of the grid."""
    tensors = read_tensors(run.parents["pretrain"] / PRETRAINED)
    return ApplePolicy(spread(tensors["weight"], grid), spread(tensors["bias"], grid))


def spread(values: Tensor, grid: Grid) -> Tensor:
    """Give each run of the grid its own pi*'s values ``[K, ...]``, also where all seeds share one pi*.

    Raises:
        ValueError: the values are of other seeds.
    """
    conditions, seeds = len(grid.environment.conditions), len(grid.seeds)
    by_condition = values.reshape(conditions, -1, *values.shape[1:])
    if by_condition.shape[1] not in (1, seeds):
        raise ValueError(f"pi* was made for {by_condition.shape[1]} seeds, this run has {seeds}")
    return by_condition.expand(-1, seeds, *[-1] * (values.dim() - 1)).reshape(-1, *values.shape[1:])
