"""The loop over milestones: measured ones are kept, missing ones are measured, and tables are joined."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch

from fpc.core.files import read_tensors
from fpc.core.milestones import write_milestone
from fpc.domains.evaluation import Measured, Milestone, evaluate_milestones
from fpc.workflow.run import Run

STEPS = (0, 10, 200)


class Stopped(Exception):
    """Interrupts a run."""


class Measurer:
    """Reads one number from each milestone; fails at a given step."""

    def __init__(self, die_at: int | None = None) -> None:
        self.die_at, self.measured = die_at, list[int]()

    def __call__(self, milestone: Milestone) -> Measured:
        if milestone.step == self.die_at:
            raise Stopped
        self.measured.append(milestone.step)
        value = read_tensors(milestone.weights)["value"].item()
        milestone.report(1)
        rows = [
            {"probe": probe, "group": "far", "episode": 0, "measure": "value", "value": value}
            for probe in ("b", "a")
        ]
        tables: dict[str, object] = {"episodes": rows}
        if milestone.step:
            tables["states"] = pd.DataFrame({"step": [milestone.step]})
        return tables  # type: ignore[return-value]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    for step in STEPS:
        write_milestone(tmp_path / "finetune", step, {"value": torch.tensor(float(step))})
    parents = {"finetune": tmp_path / "finetune"}
    return Run("tiny", "toy", "evaluate", "vanilla", (4,), tmp_path / "state", tmp_path / "output", parents)


def test_tables_are_joined_in_the_order_of_steps(run: Run) -> None:
    evaluate_milestones("two_state_mdp", run, Measurer())
    episodes = pd.read_parquet(run.output / "episodes.parquet")
    assert episodes["step"].tolist() == [0, 0, 10, 10, 200, 200]
    assert episodes["value"].tolist() == [0.0, 0.0, 10.0, 10.0, 200.0, 200.0]
    assert episodes["probe"].tolist() == ["b", "a"] * 3
    identity = episodes[["domain", "experiment", "condition", "method", "seed"]].drop_duplicates()
    assert identity.values.tolist() == [["two_state_mdp", "toy", "", "vanilla", 4]]
    assert pd.read_parquet(run.output / "states.parquet")["step"].tolist() == [10, 200]


def test_rows_can_be_sorted(run: Run) -> None:
    evaluate_milestones("two_state_mdp", run, Measurer(), order=("probe", "step"))
    episodes = pd.read_parquet(run.output / "episodes.parquet")
    assert episodes["probe"].tolist() == ["a"] * 3 + ["b"] * 3


def test_a_resumed_run_measures_the_rest(run: Run, tmp_path: Path) -> None:
    whole = Run("tiny", "toy", "evaluate", "vanilla", (4,), tmp_path / "s", tmp_path / "o", run.parents)
    evaluate_milestones("two_state_mdp", whole, Measurer())
    with pytest.raises(Stopped):
        evaluate_milestones("two_state_mdp", run, Measurer(die_at=200))
    rest = Measurer()
    evaluate_milestones("two_state_mdp", run, rest)
    assert rest.measured == [200]
    for name in ("episodes.parquet", "states.parquet"):
        assert (run.output / name).read_bytes() == (whole.output / name).read_bytes()


class WatchedRun(Run):
    """Records the progress reports."""

    seen: list[tuple[int, int]]

    def report(self, step: int, total: int, **metrics: float) -> None:
        self.seen.append((step, total))


def test_progress_counts_episodes(run: Run) -> None:
    watched = WatchedRun("tiny", "toy", "evaluate", "vanilla", (4,), run.state, run.output, run.parents)
    watched.seen = []
    evaluate_milestones("two_state_mdp", watched, Measurer(), episodes=lambda step: 2 + (step == 0))
    assert watched.seen == [(1, 7), (3, 7), (4, 7), (5, 7), (6, 7), (7, 7)]


def test_a_run_without_milestones_is_rejected(tmp_path: Path) -> None:
    parents = {"finetune": tmp_path / "empty"}
    run = Run("tiny", "toy", "evaluate", "vanilla", (4,), tmp_path / "state", tmp_path / "output", parents)
    with pytest.raises(ValueError, match="run finetune again"):
        evaluate_milestones("two_state_mdp", run, Measurer())
