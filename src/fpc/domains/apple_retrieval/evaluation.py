"""Probes of AppleRetrieval's milestones."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from fpc.core.files import read_tensors
from fpc.core.tables import NO_EPISODE
from fpc.domains.apple_retrieval.config import AppleRetrievalExperiment
from fpc.domains.apple_retrieval.environment import Task
from fpc.domains.apple_retrieval.policy import ApplePolicy
from fpc.domains.apple_retrieval.rollout import Grid
from fpc.domains.apple_retrieval.streams import Streams
from fpc.domains.evaluation import Measured, Milestone, evaluate_milestones
from fpc.domains.interface import Run

GROUPS: dict[Task, str] = {"phase_1": "close", "phase_2": "far", "whole": "whole"}


def evaluate(experiment: AppleRetrievalExperiment, run: Run) -> None:
    """``episodes.parquet``: success and return of every episode of every probe and milestone.

    Measures of the policy itself have episode -1: ``weight_ratio`` (|b| / |w|, probe whole) and
    ``correct_probability`` (of moving in the right direction, in phases 1 and 2).
    """
    grid = Grid(experiment.environment, run.seeds)

    def measure(milestone: Milestone) -> Measured:
        tensors = read_tensors(milestone.weights)
        policy = ApplePolicy(tensors["weight"], tensors["bias"])
        measured = _measures(grid, policy, milestone.step, experiment.evaluate.episodes)
        return {"episodes": pd.concat([_rows(grid, *item) for item in measured], ignore_index=True)}

    evaluate_milestones(experiment.domain, run, measure)


def _measures(
    grid: Grid, policy: ApplePolicy, step: int, episodes: int
) -> Iterator[tuple[Task, NDArray[np.int64], str, NDArray[np.float64]]]:
    """(probe, episode numbers ``[B]``, measure, values ``[K, B]``) for one milestone."""
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
    grid: Grid, probe: Task, episode: NDArray[np.int64], measure: str, values: NDArray[np.float64]
) -> pd.DataFrame:
    """One row per run and episode."""
    conditions, seeds = (np.array(column) for column in zip(*grid.runs, strict=True))
    return pd.DataFrame(
        {
            "condition": np.repeat(conditions, len(episode)),
            "seed": np.repeat(seeds, len(episode)),
            "probe": probe,
            "group": GROUPS[probe],
            "episode": np.tile(episode, len(seeds)),
            "measure": measure,
            "value": values.ravel(),
        }
    )
