"""The other recipes: an agent as the expert, and pi* cloned from demonstrations."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from fpc.domains.montezuma.cloning import States, clone, states_of
from fpc.domains.montezuma.config import CloneOptions, MontezumaExperiment
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.environment import MontezumaEnvironment
from fpc.domains.montezuma.expert_agent import exploration_of
from fpc.domains.montezuma.passages import replay_game
from fpc.domains.montezuma.pretraining import pretrain
from fpc.domains.montezuma.start_states import read_start_states, write_demonstrations
from fpc.workflow.loader import load
from fpc.workflow.run import Run

from .known_states import STATES, start

TEMPLE = Path(__file__).parents[2] / "temple.yaml"
CLONE = {"updates": 700, "batch_size": 64, "learning_rate": 2e-3}


def experiment(**pretrain: Any) -> MontezumaExperiment:
    """The scale ``temple`` with a modified section ``pretrain``."""
    shutil.copy(TEMPLE, "configs/temple.yaml")
    found = load("temple").experiments["montezuma"].model_dump()
    found["network"] = {"channels": [8, 8, 8], "hidden": [32, 32]}
    found["pretrain"] |= pretrain
    return MontezumaExperiment.model_validate(found)


def run_in(folder: Path) -> Run:
    run = Run("temple", "montezuma", "pretrain", None, (0,), folder / "state", folder / "output")
    for path in (run.state, run.output):
        path.mkdir(parents=True, exist_ok=True)
    return run


def test_a_clone_does_what_the_demonstration_does_from_the_room_on(project: Path) -> None:
    chosen = experiment()
    demonstration = replay_game(Emulator(), 0, start(7, 3).actions).demonstration
    write_demonstrations(project / "demonstrations.json", [demonstration])
    options = CloneOptions.model_validate(CLONE)
    network, log = clone(chosen, options, project / "demonstrations.json", 0, lambda *_, **__: None)
    states = States([states_of(chosen, demonstration)] * 2)
    observations, actions = (part.numpy() for part in states.at(torch.arange(len(states.actions) // 2)))
    assert len(actions) == len(demonstration.actions) - demonstration.room_entries[2]
    assert tuple(actions) == demonstration.actions[demonstration.room_entries[2] :]
    player = MontezumaEnvironment(chosen.environment.model_copy(update={"sticky": 0.0, "max_steps": 10**6}))
    seen = [player.reset()[0], *(player.step(action)[0] for action in demonstration.actions)]
    assert np.array_equal(observations, np.stack(seen)[demonstration.room_entries[2] : -1])
    second = states.at(torch.arange(len(actions), 2 * len(actions)))
    assert np.array_equal(second[0].numpy(), observations)
    with torch.inference_mode():
        same = network.logits(network.encode(torch.from_numpy(observations))).argmax(-1).numpy() == actions
    assert same.mean() > 0.7 > 3 * (np.bincount(actions).max() / len(actions))
    losses = log.table(0)
    losses = losses[losses["metric"] == "cross_entropy"]["value"]
    assert losses.iloc[-1] < 0.3 * losses.iloc[0]


def test_a_demonstration_that_ends_at_the_room_is_rejected(project: Path) -> None:
    chosen, path = experiment(), project / "demonstrations.json"
    write_demonstrations(path, [replay_game(Emulator(), 0, start(2).actions).demonstration])
    with pytest.raises(ValueError, match="no demonstration continues in room 2"):
        clone(chosen, CloneOptions.model_validate(CLONE), path, 0, lambda *_, **__: None)


def test_pretrain_with_the_recipe_clone_writes_pi_star_and_its_success(project: Path) -> None:
    chosen = experiment(recipe="clone", clone=CLONE | {"updates": 20})
    run = run_in(project / "run")
    # The expert's results already exist, as after an interruption.
    shutil.copy(STATES, run.output / "start_states.json")
    demonstration = replay_game(Emulator(), 0, start(7, 3).actions).demonstration
    write_demonstrations(run.output / "demonstrations.json", [demonstration])
    pretrain(chosen, run)
    assert (run.output / "policy.safetensors").exists()
    metrics = set(pd.read_parquet(run.output / "training.parquet")["metric"])
    assert metrics == {"cross_entropy", "accuracy", "probe_success", "probe_random_success"}


def test_games_of_an_agent_become_trajectories_and_visits() -> None:
    whole = bytes(start(7, 3).actions)
    training = pd.DataFrame(
        [(100, "score", 0.0), (100, "score", 100.0), (100, "rooms", 1.0), (100, "entropy", 2.0)],
        columns=["step", "metric", "value"],
    )
    found = exploration_of([whole, whole[:40], whole], 5, training)
    assert found.trajectories == ((5, whole[:40]), (5, whole))
    assert found.progress.to_dict("records") == [
        {"step": 100, "stream": 0, "cells": 0, "rooms": 1.0, "score": 50.0}
    ]
    assert found.visits["visits"].sum() == 2 * len(whole) + 40
    played = replay_game(Emulator(), 5, whole)
    assert dict(zip(found.first_visits["room"], found.first_visits["step"], strict=True)) == (
        played.demonstration.room_entries
    )
    assert [item.demonstration.seed for item in found.replays()] == [5, 5]


def test_an_agent_that_never_reached_the_room_is_rejected_and_not_retrained(project: Path) -> None:
    expert = {"recipe": "ppo_rnd", "ppo_rnd": {"steps": 128, "trajectories": 2}, "start_states": 4}
    chosen = experiment(expert=expert | {"demonstrations": 2})
    run = run_in(project / "run")
    with pytest.raises(ValueError, match="no start state in room 2"):
        pretrain(chosen, run)
    assert read_start_states(run.output / "start_states.json") == []
    assert pd.read_parquet(run.output / "visits.parquet")["room"].unique().tolist() == [1]
    weights = (run.state / "expert.safetensors").read_bytes()
    (run.output / "start_states.json").unlink()  # as if the run was killed before writing it
    with pytest.raises(ValueError, match="no start state in room 2"):
        pretrain(chosen, run)
    assert (run.state / "expert.safetensors").read_bytes() == weights
