"""APPO as a learner: a specification becomes a job, and milestones are passed on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from fpc.domains.evaluation import start_indices
from fpc.domains.finetuning import Finetuning
from fpc.domains.nethack.config import FinetuneOptions, NetHackExperiment
from fpc.domains.nethack.factories import environment_of, network_of
from fpc.domains.nethack.finetuning import appo_options
from fpc.learners.appo import APPO, APPOSpecification, Call
from fpc.learners.appo.options import APPOOptions
from fpc.learners.interface import Weights
from fpc.retention.kickstarting import Kickstarting
from fpc.retention.registry import load_method
from fpc.workflow.loader import load
from fpc.workflow.run import Run
from tests.learners.appo_job import APPO as OPTIONS
from tests.learners.appo_job import ENVIRONMENT, NETWORK, job

ROOT = Path(__file__).resolve().parents[2]


def specification(folder: Path, **changes: Any) -> APPOSpecification:
    """The specification of the job made by ``appo_job.job``."""
    values: dict[str, Any] = {
        "seeds": (3,),
        "steps": 640,
        "state": folder / "state",
        "report": lambda step, total, **measures: None,
        "checkpoint_seconds": 0.0,
        "environment": Call.of(environment_of, environment=ENVIRONMENT, far_level=1),
        "network": Call.of(network_of, network=NETWORK),
        "options": APPOOptions.model_validate(OPTIONS),
        "trainable": "core",
    }
    return APPOSpecification(**{**values, **changes})


def test_a_specification_becomes_a_job(tmp_path: Path) -> None:
    options = {"coefficient": 0.5, "decay": 0.9, "floor": 0.2}
    method = Kickstarting(Kickstarting.Options.model_validate(options))
    made = specification(tmp_path, method=method, initial_policy=tmp_path / "policy").job()
    expected = job(tmp_path, method="kickstarting", initial=str(tmp_path / "policy"))
    made_options = made.options or {}
    assert {name: made_options[name] for name in options} == options
    assert replace(made, options=None, appo={}) == replace(expected, appo={})
    assert made.appo_options == expected.appo_options


def test_milestones_are_passed_on_and_removed(tmp_path: Path) -> None:
    seen: dict[int, torch.Tensor] = {}

    def keep(step: int, policy: Weights, critic: Weights) -> None:
        seen[step] = policy["policy.weight"]

    trained = APPO().train(specification(tmp_path, milestones=(0, 320, 640), on_milestone=keep))
    assert list(seen) == [0, 320, 640]
    assert not torch.equal(seen[0], seen[320])
    assert torch.equal(seen[640], trained.policy["policy.weight"])
    assert list((tmp_path / "state" / "milestones").iterdir()) == []
    assert trained.finished
    assert "baseline.weight" in trained.critic


@pytest.mark.usefixtures("example_method")
@pytest.mark.parametrize(
    ("method", "entropy", "schedule"),
    [
        ("scratch", 0.001, "scratch_learning_rate_schedule"),
        ("vanilla", 0.001, "learning_rate_schedule"),
        ("kickstarting", 0.25, "learning_rate_schedule"),
        ("behavioral_cloning", 0.25, "learning_rate_schedule"),
        ("ewc", 0.25, "learning_rate_schedule"),
        ("l2", 0.25, "learning_rate_schedule"),  # adds a term, though it needs nothing
    ],
)
def test_nethacks_configuration_sets_the_entropy_bonus(
    tmp_path: Path, method: str, entropy: float, schedule: str
) -> None:
    experiment = load("paper", None, ROOT / "configs").experiments["nethack"]
    assert isinstance(experiment, NetHackExperiment)
    assert experiment.finetune.retention_entropy_coefficient == 0.0
    assert "retention_entropy_coefficient" not in experiment.finetune.model_dump()  # digests stay
    finetune = experiment.finetune.model_copy(update={"retention_entropy_coefficient": 0.25})
    assert "retention_entropy_coefficient" in finetune.model_dump()
    changed = experiment.model_copy(update={"finetune": finetune})
    run = Run("paper", "nethack", "finetune", method, (0,), tmp_path, tmp_path)
    options = appo_options(
        changed, Finetuning.of(run, method, load_method(method).Options.model_construct(), 10)
    )
    assert options.entropy_coefficient == entropy
    assert options.learning_rate_schedule == getattr(finetune.appo, schedule)
    # Launched for 2e9 steps, so its rate falls by less than a quarter.
    assert options.learning_rate_horizon == (2_000_000_000 if method == "behavioral_cloning" else None)


def test_the_variant_of_the_text_has_its_values() -> None:
    configuration = load("paper", "text_nethack", ROOT / "configs")
    experiment = configuration.experiments["nethack"]
    assert isinstance(experiment, NetHackExperiment)
    for appo in (experiment.pretrain.appo, experiment.finetune.appo):
        assert (appo.gamma, appo.weight_decay) == (0.999999, 1e-4)
    kickstarting = configuration.methods["kickstarting"]["nethack"].model_dump()
    assert {name: kickstarting[name] for name in ("coefficient", "decay", "floor")} == {
        "coefficient": 0.5, "decay": 0.99998, "floor": 0.0,
    }  # fmt: skip


@pytest.mark.parametrize("variant", [None, "text_nethack"])
def test_all_start_states_are_played(variant: str | None) -> None:
    """Seed s plays ``episodes`` states from number s * episodes on, around the end of the list."""
    experiment = load("paper", variant, ROOT / "configs").experiments["nethack"]
    assert isinstance(experiment, NetHackExperiment)
    counts = {
        experiment.collect.level.count: experiment.evaluate.episodes,
        experiment.collect.sokoban.count: experiment.evaluate.sokoban_episodes,
    }
    for count, episodes in counts.items():
        runs = [
            Run("paper", "nethack", "evaluate", "ewc", (seed,), Path("state"), Path("output"))
            for seed in range(experiment.seeds)
        ]
        played = [index for run in runs for index in start_indices(run, episodes, count)]
        assert {played.count(state) for state in range(count)} == {1 if variant is None else experiment.seeds}


def test_a_learning_rate_horizon_of_no_method_is_refused() -> None:
    experiment = load("paper", None, ROOT / "configs").experiments["nethack"]
    values = experiment.model_dump()["finetune"] | {"learning_rate_horizons": {"cloning": 1}}
    with pytest.raises(ValidationError, match="there is no retention method 'cloning'"):
        FinetuneOptions.model_validate(values)
