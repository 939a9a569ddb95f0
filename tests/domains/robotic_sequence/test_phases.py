"""The four phases end to end with a tiny budget."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from fpc.core.files import read_json, read_tensors, write_json, write_tensors
from fpc.domains.finetuning import Finetuning
from fpc.domains.robotic_sequence.config import RoboticSequenceExperiment
from fpc.domains.robotic_sequence.domain import DOMAIN
from fpc.domains.robotic_sequence.finetuning import initial_transitions
from fpc.retention.interface import MethodOptions, Need
from fpc.retention.registry import load_method

from .conftest import make_run

OPTIONS = {
    "behavioral_cloning": {"coefficient": 1.0, "batch_size": 8, "memory_size": 60},
    "vanilla": {},
    "scratch": {},
}


def options_of(method: str) -> object:
    """Options of a method, dropping those it does not have."""
    fields = load_method(method).Options.model_fields
    return load_method(method).Options(**{k: v for k, v in OPTIONS[method].items() if k in fields})


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chain")


def test_pretrain(chain: Path, tiny_experiment: RoboticSequenceExperiment) -> None:
    DOMAIN.pretrain(tiny_experiment, make_run(chain, "pretrain"))
    table = pd.read_parquet(chain / "pretrain" / "training.parquet")
    assert list(table.columns) == ["step", "seed", "metric", "value"]
    metrics = set(table.metric)
    assert {"cloning_loss", "critic_loss", "probe_success_2_push-wall", "probe_success_0_reach"} <= metrics
    assert "log_temperature" in read_tensors(chain / "pretrain" / "critic.safetensors")


def test_collect(chain: Path, tiny_experiment: RoboticSequenceExperiment) -> None:
    DOMAIN.collect(tiny_experiment, make_run(chain, "collect"))
    expert = read_tensors(chain / "collect" / "expert.safetensors")
    assert {name: tuple(value.shape) for name, value in expert.items()} == {
        "observations": (61, 43),
        "outputs": (61, 8),
        "action": (61, 4),
        "reward": (61,),
        "next_observations": (61, 43),
        "terminated": (61,),
        "stage": (61,),
    }
    assert torch.bincount(expert["stage"]).tolist() == [0, 31, 30]
    assert torch.equal(expert["observations"][:, 40:].argmax(1), expert["stage"])
    assert set(expert["stage"][:20].tolist()) == {1, 2}, "the order must be random"
    starts = read_json(chain / "collect" / "start_states.json")
    assert list(starts) == ["0_reach", "1_drawer-close", "2_push-wall", "whole"]
    analysis = read_tensors(chain / "collect" / "analysis.safetensors")
    assert torch.bincount(analysis["stage"]).tolist() == [0, 10, 10]


@pytest.mark.parametrize("method", ["vanilla", "behavioral_cloning", "scratch"])
def test_finetune(
    chain: Path, tmp_path: Path, tiny_experiment: RoboticSequenceExperiment, method: str
) -> None:
    run = make_run(chain, "finetune", method)
    if method != "vanilla":  # vanilla's output stays for the evaluation
        run.output, run.state = tmp_path / "output", tmp_path / "state"
    if method == "scratch":
        run.parents = {}
    DOMAIN.finetune(tiny_experiment, method, options_of(method), run)
    names = {path.name for path in (run.output / "milestones").iterdir()}
    assert names == {f"step_{step}.safetensors" for step in (0, 25, 50, 60)}
    first = read_tensors(run.output / "milestones" / "step_0.safetensors")
    last = read_tensors(run.output / "milestones" / "step_60.safetensors")
    original = read_tensors(chain / "pretrain" / "policy.safetensors")
    same = all(torch.equal(first[f"actor.{name}"], value) for name, value in original.items())
    assert same == (method != "scratch")
    assert not torch.equal(first["actor.head_weight"], last["actor.head_weight"])
    assert "critic.head_weight" in last


@pytest.mark.parametrize(
    ("method", "begins_with"), [("vanilla", 61), ("scratch", None), ("episodic_memory", None)]
)
def test_the_replay_buffer_of_fine_tuned_runs_may_begin_with_pi_stars_transitions(
    chain: Path, tiny_experiment: RoboticSequenceExperiment, method: str, begins_with: int | None
) -> None:
    work = Finetuning.of(make_run(chain, "finetune", method), method, MethodOptions(), 60)
    changed = tiny_experiment.finetune.model_copy(update={"expert_in_buffer": True})
    with_option = tiny_experiment.model_copy(update={"finetune": changed})
    found = initial_transitions(with_option, work)
    assert (None if found is None else len(found["observation"])) == begins_with
    assert initial_transitions(tiny_experiment, work) is None


def test_evaluate_measures_every_milestone_and_resumes(
    chain: Path, tiny_experiment: RoboticSequenceExperiment
) -> None:
    run = make_run(chain, "evaluate", "vanilla")
    DOMAIN.evaluate(tiny_experiment, "vanilla", options_of("vanilla"), run)
    episodes = pd.read_parquet(run.output / "episodes.parquet")
    assert [*episodes.columns[:5]] == ["domain", "experiment", "condition", "method", "seed"]
    assert [*episodes.columns[5:]] == ["step", "probe", "group", "start", "episode", "measure", "value"]
    assert set(episodes.step) == {0, 25, 50, 60}
    assert episodes.groupby("probe").group.first().to_dict() == {
        "0_reach": "close",
        "1_drawer-close": "far",
        "2_push-wall": "far",
        "whole": "whole",
    }
    whole = episodes[episodes.probe == "whole"]
    assert set(whole.measure) == {
        *("success", "return", "length", "stages_solved"),
        *("success_0_reach", "success_1_drawer-close", "success_2_push-wall"),
    }
    assert set(episodes[episodes.episode == -1].measure) == {"log_likelihood"}
    alignment = pd.read_parquet(run.output / "representation.parquet")
    at_start = alignment[alignment.step == 0]
    assert len(at_start) == 2 * 3 * 2  # stages, networks, layers
    assert np.allclose(at_start.cka, 1.0)
    assert (alignment[alignment.step == 60].cka < 1 - 1e-9).any()
    states = pd.read_parquet(run.output / "states.parquet")
    assert len(states) == 4 * 2 * 10
    assert states[["pc1", "pc2", "log_likelihood"]].notna().all(None)
    mean = states[(states.step == 25) & (states.stage == "2_push-wall")].log_likelihood.mean()
    row = episodes[(episodes.step == 25) & (episodes.probe == "2_push-wall") & (episodes.episode == -1)]
    assert row.value.item() == pytest.approx(mean, rel=1e-5)

    (run.state / "step_50" / "episodes.parquet").unlink()
    kept = (run.state / "step_25" / "episodes.parquet").stat().st_mtime_ns
    DOMAIN.evaluate(tiny_experiment, "vanilla", options_of("vanilla"), run)
    assert (run.state / "step_25" / "episodes.parquet").stat().st_mtime_ns == kept
    pd.testing.assert_frame_equal(pd.read_parquet(run.output / "episodes.parquet"), episodes)


def test_pi_star_is_measured_once_and_is_step_0_of_methods_that_start_from_it(
    chain: Path, tmp_path: Path, tiny_experiment: RoboticSequenceExperiment
) -> None:
    measured = replace(
        make_run(chain, "evaluate", "pi_star"), state=tmp_path / "pi_star", output=tmp_path / "evaluate"
    )
    measured.state.mkdir()
    DOMAIN.evaluate_pi_star(tiny_experiment, measured)
    pi_star = pd.read_parquet(measured.output / "episodes.parquet")
    assert set(pi_star.method) == {"pi_star"}
    assert set(pi_star.step) == {0}
    # The mean action is the same each time, so each of the two start states is played once.
    assert pi_star[pi_star.probe == "whole"].start.unique().tolist() == [0, 1]
    assert np.allclose(pd.read_parquet(measured.output / "representation.parquet").cka, 1.0)

    run = replace(make_run(chain, "evaluate", "vanilla"), state=tmp_path / "s", output=tmp_path / "o")
    run.parents = {**run.parents, "evaluate": measured.output}
    run.state.mkdir()
    DOMAIN.evaluate(tiny_experiment, "vanilla", options_of("vanilla"), run)
    for name in ("episodes", "representation", "states"):
        table = pd.read_parquet(run.output / f"{name}.parquet")
        copied = table[table.step == 0].drop(columns="method").reset_index(drop=True)
        original = pd.read_parquet(measured.output / f"{name}.parquet").drop(columns="method")
        if name == "episodes":  # later milestones are measured on the first start state alone
            original = original[original.start != 1].reset_index(drop=True)
            starts = table[table.probe == "whole"].groupby("step").start.unique()
            assert [found.tolist() for found in starts] == [[0]] * 4
        pd.testing.assert_frame_equal(copied, original)
        assert set(table.method) == {"vanilla"}

    # Where heads are new, step 0 is no longer pi*, and is measured.
    folder = tmp_path / "finetune" / "milestones"
    for path in (run.parents["finetune"] / "milestones").iterdir():
        weights = read_tensors(path)
        weights["actor.head_weight"] = weights["actor.head_weight"] + 1.0
        write_tensors(folder / path.name, weights)
    other = replace(run, state=tmp_path / "s2", output=tmp_path / "o2")
    other.parents = {**run.parents, "finetune": tmp_path / "finetune"}
    other.state.mkdir()
    DOMAIN.evaluate(tiny_experiment, "vanilla", options_of("vanilla"), other)
    table = pd.read_parquet(other.output / "episodes.parquet")
    assert table[(table.step == 0) & (table.probe == "whole")].start.unique().tolist() == [0]


def test_pi_stars_critics_are_measured_also_where_milestones_have_none(
    chain: Path, tmp_path: Path, tiny_experiment: RoboticSequenceExperiment
) -> None:
    """So pi*'s measurement, which is made without fine-tuning, serves runs with and without critics."""
    finetune = tiny_experiment.finetune.model_copy(update={"keep_critics": False})
    without = tiny_experiment.model_copy(update={"finetune": finetune})
    measured = replace(
        make_run(chain, "evaluate", "pi_star"), state=tmp_path / "pi_star", output=tmp_path / "evaluate"
    )
    measured.state.mkdir()
    DOMAIN.evaluate_pi_star(without, measured)
    alignment = pd.read_parquet(measured.output / "representation.parquet")
    assert set(alignment.network) == {"actor", "critic_1", "critic_2"}

    folder = tmp_path / "finetune" / "milestones"
    for path in (chain / "finetune" / "milestones").iterdir():
        weights = read_tensors(path)
        actor = {name: value for name, value in weights.items() if name.startswith("actor.")}
        write_tensors(folder / path.name, actor)
    run = replace(make_run(chain, "evaluate", "vanilla"), state=tmp_path / "s", output=tmp_path / "o")
    run.parents = {**run.parents, "evaluate": measured.output, "finetune": tmp_path / "finetune"}
    run.state.mkdir()
    DOMAIN.evaluate(without, "vanilla", options_of("vanilla"), run)
    networks = pd.read_parquet(run.output / "representation.parquet").groupby("step").network.unique()
    assert [list(found) for found in networks] == [["actor"]] * 4


def test_evaluate_rejects_altered_start_states(
    chain: Path, tmp_path: Path, tiny_experiment: RoboticSequenceExperiment
) -> None:
    starts = read_json(chain / "collect" / "start_states.json")
    starts["1_drawer-close"]["seeds"][0] += 1
    for name in ("analysis.safetensors", "expert.safetensors"):
        (tmp_path / "collect").mkdir(exist_ok=True)
        (tmp_path / "collect" / name).symlink_to(chain / "collect" / name)
    write_json(tmp_path / "collect" / "start_states.json", starts)
    run = make_run(chain, "evaluate", "vanilla")
    run.state, run.output = tmp_path / "state", tmp_path / "output"
    run.parents = {**run.parents, "collect": tmp_path / "collect"}
    with pytest.raises(ValueError, match="a different start state"):
        DOMAIN.evaluate(tiny_experiment, "vanilla", options_of("vanilla"), run)


def test_pretraining_by_sac_alone(tmp_path: Path, tiny_experiment: RoboticSequenceExperiment) -> None:
    changed = tiny_experiment.pretrain.model_copy(update={"recipe": "sac", "clone": None, "steps": 40})
    DOMAIN.pretrain(tiny_experiment.model_copy(update={"pretrain": changed}), make_run(tmp_path, "pretrain"))
    table = pd.read_parquet(tmp_path / "pretrain" / "training.parquet")
    assert "cloning_loss" not in set(table.metric)
    assert "return" in set(table.metric)


def test_the_learner_provides_every_need() -> None:
    assert DOMAIN.learner.provides == frozenset(Need)


def test_training_steps(tiny_experiment: RoboticSequenceExperiment) -> None:
    assert DOMAIN.training_steps(tiny_experiment, "finetune") == {
        "environment_steps": 60,
        "updates": 10,  # two after each of the steps 20, 30, 40, 50 and 60
        "episodes": 5,
    }
    assert DOMAIN.pi_star_steps(tiny_experiment) == {
        "environment_steps": 2 * (3 + 3) * 12,  # two start states; three stages, and all three in a row
        "updates": 0,
        "episodes": 2 * 4,
    }
    assert DOMAIN.training_steps(tiny_experiment, "evaluate")["episodes"] == 16
    assert (
        DOMAIN.training_steps(tiny_experiment, "pretrain")["updates"] == 5 + 4 + 4
    )  # of the clone, its critics and SAC
    assert DOMAIN.training_steps(tiny_experiment, "collect")["environment_steps"] == 81


def test_pretraining_stops_when_solved_and_stays_stopped(
    tmp_path: Path, tiny_experiment: RoboticSequenceExperiment
) -> None:
    """With a threshold of 0, the first check, at step 30, suffices; a resumed run does not train further."""
    changes = {"recipe": "sac", "clone": None, "steps": 300, "stop_success": 0.0}
    changed = tiny_experiment.pretrain.model_copy(update=changes)
    run = make_run(tmp_path, "pretrain")
    DOMAIN.pretrain(tiny_experiment.model_copy(update={"pretrain": changed}), run)
    policy = read_tensors(run.output / "policy.safetensors")
    table = pd.read_parquet(run.output / "training.parquet")
    assert 30 <= table[table.metric == "return"].step.max() < 60
    DOMAIN.pretrain(tiny_experiment.model_copy(update={"pretrain": changed}), run)
    again = read_tensors(run.output / "policy.safetensors")
    assert all(torch.equal(value, again[name]) for name, value in policy.items())
