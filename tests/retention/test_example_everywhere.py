"""``examples/methods`` on every learner with real environments: L2 and MAS keep the student near pi*."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from fpc.config.experiment import Experiment
from fpc.core.errors import ConfigError
from fpc.core.files import read_tensors, write_tensors
from fpc.domains.registry import load_domain
from fpc.retention.registry import load_method
from fpc.workflow.loader import load
from fpc.workflow.run import Run
from tests.domains.apple_retrieval.chain import experiment as apple_experiment

ROOT = Path(__file__).resolve().parents[2]
STRONG = {"coefficient": 1000.0}
pytestmark = pytest.mark.usefixtures("example_method")


def configured(folder: Path, scale: str, name: str) -> Experiment:
    """An experiment at one of the tests' small scales."""
    shutil.copytree(ROOT / "configs", folder / "configs")
    shutil.copy(ROOT / "tests" / f"{scale}.yaml", folder / "configs")
    return load(scale, folder=folder / "configs").experiments[name]


def make_run(folder: Path, experiment: Experiment, phase: str, method: str | None = None) -> Run:
    home = folder / phase / (method or "all")
    run = Run(
        scale="small",
        experiment=experiment.domain,
        phase=phase,
        method=method,
        seeds=tuple(range(experiment.seeds_per_run)),
        state=home / "state",
        output=home / "output",
        parents={name: folder / name / "all" / "output" for name in ("pretrain", "collect")},
    )
    for path in (run.state, run.output):
        path.mkdir(parents=True, exist_ok=True)
    return run


def drift(folder: Path, experiment: Any, method: str, options: dict[str, float], prefix: str) -> float:
    """Squared distance from pi* after fine-tuning, of the parameters whose names start with ``prefix``."""
    run = make_run(folder, experiment, "finetune", method)
    chosen = load_method(method).Options(**options)
    load_domain(experiment.domain).finetune(experiment, method, chosen, run)
    milestones = sorted((run.output / "milestones").iterdir(), key=lambda path: int(path.stem.split("_")[1]))
    pi_star = read_tensors(run.parents["pretrain"] / "policy.safetensors")  # NetHack's lack what equals pi*
    first, last = (pi_star | read_tensors(path) for path in (milestones[0], milestones[-1]))
    assert len(milestones) > 1
    names = [name for name in first if name.startswith(prefix)]
    assert names
    return float(sum((first[name] - last[name]).square().sum() for name in names))


def compare(folder: Path, experiment: Any, prefix: str, **methods: dict[str, float]) -> None:
    """The methods (with these options) are less than half as far from pi* as vanilla fine-tuning.

    The slow anchor limits how far the policy moves at once, not how far from pi*: it only makes a difference.
    """
    vanilla = drift(folder, experiment, "vanilla", {}, prefix)
    for name, options in methods.items():
        moved = drift(folder, experiment, name, options, prefix)
        assert moved > 0
        assert moved != vanilla if name == "slow_anchor" else moved < 0.5 * vanilla, name
        table = pd.read_parquet(folder / "finetune" / name / "output" / "training.parquet")
        penalties = table.loc[table["metric"] == "penalty", "value"]
        assert penalties.notna().all()
        assert (penalties >= 0).all()


def write_pi_star(folder: Path, experiment: Any, weights: dict[str, Tensor]) -> None:
    write_tensors(make_run(folder, experiment, "pretrain").output / "policy.safetensors", weights)


def test_reinforce(tmp_path: Path) -> None:
    experiment = apple_experiment(updates=100)
    load_domain("apple_retrieval").pretrain(experiment, make_run(tmp_path, experiment, "pretrain"))
    load_domain("apple_retrieval").collect(experiment, make_run(tmp_path, experiment, "collect"))
    strong = {"coefficient": 100.0}
    compare(tmp_path, experiment, "", l2=strong, mas=strong | {"batches": 100}, slow_anchor=strong)


def test_sac(tmp_path: Path) -> None:
    experiment = configured(tmp_path, "small", "robotic_sequence")
    load_domain("robotic_sequence").pretrain(experiment, make_run(tmp_path, experiment, "pretrain"))
    load_domain("robotic_sequence").collect(experiment, make_run(tmp_path, experiment, "collect"))
    compare(
        tmp_path, experiment, "actor.trunk.", l2=STRONG, mas=STRONG | {"batches": 100}, slow_anchor=STRONG
    )


def test_appo_on_montezuma(tmp_path: Path) -> None:
    from fpc.domains.montezuma.factories import network_of

    experiment: Any = configured(tmp_path, "temple", "montezuma")
    values = experiment.network.model_dump(), experiment.environment.model_dump()
    write_pi_star(tmp_path, experiment, network_of(*values, seed=1).state_dict())
    compare(tmp_path, experiment, "policy.", l2=STRONG, slow_anchor=STRONG)


def test_appo_on_nethack(tmp_path: Path) -> None:
    from fpc.domains.nethack.factories import network_of

    experiment: Any = configured(tmp_path, "dungeon", "nethack")
    write_pi_star(tmp_path, experiment, network_of(experiment.network.model_dump(), seed=1).state_dict())
    torch.manual_seed(0)
    compare(tmp_path, experiment, "core.", l2=STRONG)
    with pytest.raises(ConfigError, match="needs a policy without memory"):
        drift(tmp_path, experiment, "slow_anchor", STRONG, "core.")
