"""The full chain of the two-state MDP, and its figure."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fpc.core.files import read_tensors
from fpc.domains.two_state_mdp.config import TwoStateMDPExperiment
from fpc.domains.two_state_mdp.domain import DOMAIN
from fpc.figures.bespoke.figure_9 import PANELS
from fpc.figures.drawing import load_figure
from fpc.figures.interface import FigureSettings, MissingData
from fpc.retention.interface import MethodOptions
from fpc.workflow.run import Run

EXPERIMENT = TwoStateMDPExperiment.model_validate(
    {
        "domain": "two_state_mdp",
        "seeds": 1,
        "environment": {
            "gaps": {
                "coverage": {"gamma": 0.9, "r0": 0.0, "r1": -1.0, "epsilon": 1.0},
                "cloning": {"gamma": 0.9, "r0": 0.9914, "r1": 0.977, "perturbation": 0.55},
            }
        },
        "pretrain": {"initial_theta": 0.25, "learning_rate": 0.002, "updates": 500},
        "collect": {},
        "finetune": {"learning_rate": 0.002, "updates": 15000, "milestones": 10},
        "evaluate": {"curve_points": 101},
    }
)


def run(folder: Path, phase: str, method: str | None = None) -> Run:
    made = Run(
        scale="tiny",
        experiment="two_state_mdp",
        phase=phase,
        method=method,
        seeds=(0,),
        state=folder / phase / "state",
        output=folder / phase / "output",
        parents={name: folder / name / "output" for name in ("pretrain", "collect", "finetune")},
    )
    made.output.mkdir(parents=True)
    return made


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    DOMAIN.pretrain(EXPERIMENT, run(folder, "pretrain"))
    DOMAIN.collect(EXPERIMENT, run(folder, "collect"))
    DOMAIN.finetune(EXPERIMENT, "vanilla", MethodOptions(), run(folder, "finetune", "vanilla"))
    DOMAIN.evaluate(EXPERIMENT, "vanilla", MethodOptions(), run(folder, "evaluate", "vanilla"))
    return folder


def test_pi_star(chain: Path) -> None:
    policy = read_tensors(chain / "pretrain/output/policy.safetensors")
    assert policy["coverage"].item() == 0.0
    assert policy["cloning"].item() == pytest.approx(0.45)


def test_expert_data(chain: Path) -> None:
    expert = read_tensors(chain / "collect/output/expert.safetensors")
    assert expert["observations"].shape == (2, 2, 2)
    assert expert["outputs"][..., 0].flatten().tolist() == pytest.approx([0.0, 1.0, 0.45, 0.1], abs=1e-6)


def test_milestones(chain: Path) -> None:
    steps = {path.stem for path in (chain / "finetune/output/milestones").iterdir()}
    assert steps == {f"step_{step}" for step in range(0, 15001, 1500)}


def test_episodes_show_forgetting_of_the_far_state(chain: Path) -> None:
    episodes = pd.read_parquet(chain / "evaluate/output/episodes.parquet")
    coverage = episodes[episodes["condition"] == "coverage"]
    far = coverage[coverage["group"] == "far"].set_index("step")["value"]
    whole = coverage[coverage["group"] == "whole"].set_index("step")["value"]
    assert far[0] == 1.0
    assert far[15000] == pytest.approx(7 / 9, abs=1e-4)
    assert whole[15000] == pytest.approx(20 / 9, abs=1e-4)
    assert set(episodes["group"]) == {"close", "far", "whole"}


def test_training_table(chain: Path) -> None:
    training = pd.read_parquet(chain / "finetune/output/training.parquet")
    assert list(training.columns) == ["step", "seed", "metric", "value", "condition"]
    cloning = training[(training["condition"] == "cloning") & (training["metric"] == "theta")]
    assert cloning["value"].is_monotonic_decreasing


def test_a_method_without_pi_star_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no 'scratch', which trains from scratch"):
        DOMAIN.finetune(EXPERIMENT, "scratch", MethodOptions(), run(tmp_path, "finetune", "scratch"))


def test_figure_9(chain: Path) -> None:
    figure_9 = load_figure("figure_9")
    output = chain / "evaluate/output"
    tables = {name: pd.read_parquet(output / f"{name}.parquet") for name in ("episodes", "states")}
    settings = FigureSettings(scale="tiny")
    data = figure_9.data(tables, settings)
    path = data[(data["line"] == "fine-tuning") & (data["condition"] == "coverage")].set_index("step")
    assert path.loc[15000, "theta"] == pytest.approx(1 / 9, abs=1e-4)
    assert path.loc[15000, "value"] == pytest.approx(20 / 9, abs=1e-4)
    assert (data["line"] == "curve").sum() == 2 * 101
    figure = figure_9.draw(data, settings)
    assert [axes.get_title(loc="left") for axes in figure.axes] == list(PANELS.values())
    with pytest.raises(MissingData):
        figure_9.data({}, settings)
