"""Probes of AppleRetrieval's milestones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from fpc.core.files import read_tensors, write_table
from fpc.domains.apple_retrieval.config import AppleRetrievalExperiment
from fpc.domains.apple_retrieval.environment import Task
from fpc.domains.apple_retrieval.policy import ApplePolicy
from fpc.domains.apple_retrieval.rollout import Grid
from fpc.domains.apple_retrieval.streams import Streams

if TYPE_CHECKING:
    from fpc.workflow.run import Run

GROUPS: dict[Task, str] = {"phase_1": "close", "phase_2": "far", "whole": "whole"}
COLUMNS = ["domain", "experiment", "condition", "method", "seed", "step"]
COLUMNS += ["probe", "group", "episode", "measure", "value"]
NO_EPISODE = -1  # the measure is of the policy itself


def evaluate(experiment: AppleRetrievalExperiment, method: str, run: Run) -> None:
    """``episodes.parquet``: success and return of every episode of every probe and milestone.

    Measures of the policy itself have episode -1: ``weight_ratio`` (|b| / |w|, probe whole) and
    ``correct_probability`` (of the right direction, in phase 1 and in phase 2).
    """
    grid = Grid(experiment.environment, run.seeds)
    folder = run.parents["finetune"] / "milestones"
    steps = sorted(int(path.stem.removeprefix("step_")) for path in folder.glob("step_*.safetensors"))
    parts = []
    for number, step in enumerate(steps):
        tensors = read_tensors(folder / f"step_{step}.safetensors")
        policy = ApplePolicy(tensors["weight"], tensors["bias"])
        for probe, episode, measure, values in _measures(grid, policy, step, experiment.evaluate.episodes):
            parts.append(_rows(grid, step, probe, episode, measure, values))
        run.report(number + 1, len(steps))
    table = pd.concat(parts, ignore_index=True)
    table = table.assign(domain="apple_retrieval", experiment=run.experiment, method=method)
    write_table(run.output / "episodes.parquet", table[COLUMNS])


def _measures(
    grid: Grid, policy: ApplePolicy, step: int, episodes: int
) -> Iterator[tuple[Task, NDArray[np.int64], str, NDArray[np.float64]]]:
    """(probe, numbers of the episodes ``[B]``, measure, values ``[K, B]``) of one milestone."""
    itself = np.array([NO_EPISODE])
    with torch.no_grad():
        right = policy.outputs(grid.observations).sigmoid().squeeze(-1).numpy()
    yield "whole", itself, "weight_ratio", policy.weight_ratio()[:, None]
    yield "phase_1", itself, "correct_probability", right[:, :1]
    yield "phase_2", itself, "correct_probability", 1 - right[:, 1:]
    for probe in GROUPS:
        uniforms = Streams(grid.runs, f"evaluate {probe} {step}").draw(grid.uniform_shape(episodes))
        played = grid.rollout(policy, uniforms, probe)
        for measure in ("success", "return"):
            yield probe, np.arange(episodes), measure, played.outcome[measure]


def _rows(
    grid: Grid, step: int, probe: Task, episode: NDArray[np.int64], measure: str, values: NDArray[np.float64]
) -> pd.DataFrame:
    """One row for each run and episode."""
    conditions, seeds = (np.array(column) for column in zip(*grid.runs, strict=True))
    return pd.DataFrame(
        {
            "condition": np.repeat(conditions, len(episode)),
            "seed": np.repeat(seeds, len(episode)),
            "step": np.int64(step),
            "probe": probe,
            "group": GROUPS[probe],
            "episode": np.tile(episode, len(seeds)),
            "measure": measure,
            "value": values.ravel(),
        }
    )
