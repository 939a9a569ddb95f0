"""Expert data: states of all of pi*'s trajectories, from which EWC's Fisher information is taken."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from fpc.core.files import read_tensors, write_tensors
from fpc.core.milestones import milestone_path
from fpc.domains.montezuma.collecting import Reservoir
from fpc.domains.montezuma.expert_frames import read_expert
from fpc.domains.montezuma.finetuning import finetune
from fpc.retention.ewc import EWC, EWCOptions
from fpc.retention.registry import load_method

from .phases import collected, experiment, run_of


def test_states_come_from_all_trajectories(project: Path) -> None:
    options = {"trajectories": 20, "states": 400, "max_steps": 40}
    made = collected(experiment(pretrain={"task": "game"}, collect=options), project)
    data = read_expert(made["collect"] / "expert.safetensors")
    assert {name: len(value) for name, value in data.items()} == dict.fromkeys(
        ("observations", "outputs", "games"), 400
    )
    counts = torch.bincount(data["games"], minlength=20)
    # 20 games of up to 40 steps: every second state is kept, about 20 of each.
    assert len(counts) == 20
    assert counts.min() >= 5


def test_trajectories_of_a_pi_star_trained_on_attempts_end_with_the_attempt(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths: dict[str, Counter[int]] = {"game": Counter(), "room": Counter()}
    see = Reservoir.see
    for task, seen in lengths.items():

        def counting(self: Reservoir, observation: Any, game: int, seen: Counter[int] = seen) -> None:
            seen[game] += 1
            see(self, observation, game)

        monkeypatch.setattr(Reservoir, "see", counting)
        options = {"trajectories": 20, "states": 20, "max_steps": 40}
        (project / task).mkdir()
        collected(experiment(pretrain={"task": task}, collect=options), project / task)
    assert set(lengths["game"].values()) == {40}  # a lost life does not end the game
    assert max(lengths["room"].values()) <= 40
    assert min(lengths["room"].values()) < 40


def test_fisher_information_is_that_of_the_collected_states(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = experiment(finetune={"steps": 64, "evaluate_every": 64})
    made = collected(chosen, project)
    prepared: list[tuple[EWC, Any]] = []
    prepare = EWC.prepare

    def recording(self: EWC, context: Any) -> None:
        prepare(self, context)
        prepared.append((self, context))

    monkeypatch.setattr(EWC, "prepare", recording)
    options = EWCOptions(coefficient=1.0, fisher_samples=4000, fisher_floor=0.0)
    finetune(chosen, "ewc", options, run_of(project, "finetune", "ewc", **made))
    ((method, context),) = prepared
    data = read_expert(made["collect"] / "expert.safetensors")
    assert torch.equal(context.expert.tensors["observations"], data["observations"])
    # With respect to the last layer's bias, the Fisher information of a softmax is p (1 - p) of each action.
    probabilities = data["outputs"].double().softmax(-1)
    expected = (probabilities * (1 - probabilities)).mean(0)
    sizes = {name: value.numel() for name, value in context.student.anchored_parameters().items()}
    begin = sum(size for name, size in list(sizes.items())[: list(sizes).index("policy.bias")])
    found = method.fisher[begin : begin + sizes["policy.bias"]].double()
    assert torch.allclose(found, expected, rtol=0.02)  # 4,000 draws from 100 states
    assert not any("baseline" in name for name in sizes)


def test_kickstarting_from_scratch_has_pi_star_as_its_teacher(project: Path) -> None:
    chosen = experiment(finetune={"steps": 64, "evaluate_every": 64})
    made = collected(chosen, project)
    pi_star = read_tensors(made["pretrain"] / "policy.safetensors")
    pi_star["policy.bias"][0] += 2.0  # two untrained networks are almost the same policy
    write_tensors(made["pretrain"] / "policy.safetensors", pi_star)
    options = load_method("scratch_kickstarting").Options(coefficient=1.0, decay=1.0, floor=0.0)
    run = run_of(project, "finetune", "scratch_kickstarting", **made)
    finetune(chosen, "scratch_kickstarting", options, run)
    table = pd.read_parquet(run.output / "training.parquet")
    teacher, uniform = pi_star["policy.bias"].log_softmax(-1), -math.log(len(pi_star["policy.bias"]))
    expected = float((teacher.exp() * (teacher - uniform)).sum())  # the learner begins almost uniform
    first = table.loc[table["metric"] == "penalty"].sort_values("step")["value"].iloc[0]
    assert first == pytest.approx(expected, rel=0.1)
    start = read_tensors(milestone_path(run.output, 0))
    assert not torch.equal(start["policy.weight"], pi_star["policy.weight"])
