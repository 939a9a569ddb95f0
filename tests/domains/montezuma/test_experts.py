"""The other recipes: an agent as the expert, and pi* cloned from demonstrations."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
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
from fpc.domains.montezuma.expert_agent import (
    _CONFIRM,
    TargetNotReached,
    exploration_of,
    recent_return,
    trained_agent,
)
from fpc.domains.montezuma.passages import replay_game
from fpc.domains.montezuma.pretraining import UnacceptablePolicy, check_gain, pretrain
from fpc.domains.montezuma.start_states import read_start_states, write_demonstrations
from fpc.learners.interface import Trained
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
    probed = {"probe_success", "probe_random_success", "probe_gain_over_random"}
    assert metrics == {"cross_entropy", "accuracy", *probed}
    strict = chosen.pretrain.model_copy(update={"least_gain_over_random": 1.0})
    with pytest.raises(UnacceptablePolicy, match=r"below pretrain\.least_gain_over_random, 1"):
        pretrain(chosen.model_copy(update={"pretrain": strict}), run)


def test_a_pi_star_must_know_the_room_better_than_a_random_policy(project: Path) -> None:
    options = experiment(least_gain_over_random=0.2, probe_episodes=100).pretrain
    known = {"probe_success": 0.55, "probe_random_success": 0.33, "probe_gain_over_random": 0.22}
    check_gain(options, known)
    unknown = {"probe_success": 0.38, "probe_random_success": 0.28, "probe_gain_over_random": 0.1}
    with pytest.raises(
        UnacceptablePolicy,
        match=r"0\.38 of 100 attempts in the room, a random policy in 0\.28: 0\.10 more, .*task: room",
    ):
        check_gain(options, unknown)
    check_gain(options.model_copy(update={"least_gain_over_random": None}), unknown)


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


def agent(**changes: Any) -> dict[str, Any]:
    """The section ``expert`` with an agent that trains in chunks of 128 steps."""
    ppo_rnd = {"steps": 384, "trajectories": 2, "check_every": 128, "recent_games": 2, "confirming_games": 2}
    return {"recipe": "ppo_rnd", "ppo_rnd": ppo_rnd | changes, "start_states": 4, "demonstrations": 2}


def agent_in(folder: Path, score: Callable[[MontezumaEnvironment], float], **changes: Any) -> Trained:
    """Train the agent on games of 20 steps whose points are given by ``score``: few earn any in reality."""
    chosen = experiment(expert=agent(**changes))
    chosen = chosen.model_copy(
        update={"environment": chosen.environment.model_copy(update={"max_steps": 20})}
    )
    options = chosen.pretrain.expert.ppo_rnd
    assert options is not None
    with pytest.MonkeyPatch.context() as patch:
        metrics = MontezumaEnvironment._metrics
        patch.setattr(MontezumaEnvironment, "_metrics", lambda self: metrics(self) | {"score": score(self)})
        return trained_agent(chosen, options, run_in(folder))


def last_step(trained: Trained) -> int:
    return int(trained.table["step"].max())


def test_the_agent_trains_until_its_return_is_reached_and_confirmed(project: Path) -> None:
    # Points grow with the number of the environment's game: 4 environments finish 1 game each in 128 steps.
    whole = agent_in(project / "whole", lambda game: 0.0, target_return=None)
    assert 256 < last_step(whole) <= 384
    seen: list[tuple[int, ...]] = []

    def points(game: MontezumaEnvironment) -> float:
        training = _CONFIRM not in game.stream
        if not training:
            seen.append(game.stream)
        return 100.0 * game.episode if training else 150.0

    stopped = agent_in(project / "stopped", points, target_return=150.0)
    assert last_step(stopped) < 384
    assert len(set(seen)) == 2
    accepted = agent_in(project / "spent", lambda _: 0.0, target_return=1.0, accept_below_target=True)
    assert all(torch.equal(accepted.policy[name], value) for name, value in whole.policy.items())


def test_an_agent_that_is_not_confirmed_trains_on(project: Path) -> None:
    def points(game: MontezumaEnvironment) -> float:
        return 50.0 if _CONFIRM in game.stream else 200.0

    with pytest.raises(
        TargetNotReached, match=r"384 steps is 200 of the last games in training, 50 of the confirming games"
    ):
        agent_in(project / "run", points, target_return=150.0)


def test_a_resumed_agent_does_not_repeat_its_checks(project: Path) -> None:
    """The check at 128 steps fails. Killed at 256, the run may not judge it again by the later weights."""
    killed = RuntimeError("killed")

    def points(game: MontezumaEnvironment, killed_at: int | None = None) -> float:
        if _CONFIRM in game.stream:
            # (seed, _CONFIRM, step, number): confirmed from the check at 256 steps on.
            if game.stream[2] == killed_at:
                raise killed
            return 200.0 if game.stream[2] >= 256 else 0.0
        return 200.0

    whole = agent_in(project / "whole", points, target_return=150.0)
    assert 128 < last_step(whole) <= 256
    with pytest.raises(RuntimeError, match="killed"):
        agent_in(project / "run", partial(points, killed_at=256), target_return=150.0)
    judged: list[int] = []

    def later(game: MontezumaEnvironment) -> float:
        if _CONFIRM in game.stream:
            judged.append(game.stream[2])
        return 200.0  # the later weights would pass the first check as well

    resumed = agent_in(project / "run", later, target_return=150.0)
    assert set(judged) == {256}
    pd.testing.assert_frame_equal(resumed.table, whole.table)
    assert all(torch.equal(resumed.policy[name], value) for name, value in whole.policy.items())


def test_a_target_needs_a_constant_learning_rate(project: Path) -> None:
    chosen = experiment(expert=agent(target_return=150.0)).model_dump()
    chosen["pretrain"]["appo"]["learning_rate_schedule"] = "linear"
    with pytest.raises(ValueError, match=r"target_return needs appo\.learning_rate_schedule: constant"):
        MontezumaExperiment.model_validate(chosen)


def test_the_recent_return_is_that_of_the_last_games() -> None:
    rows = [(10, "score", 0.0), (20, "score", 300.0), (20, "rooms", 9.0), (30, "score", 100.0)]
    table = pd.DataFrame(rows, columns=["step", "metric", "value"])
    assert recent_return(table, 2) == 200.0
    assert recent_return(table, 4) == float("-inf")
