from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fpc.core.files import write_tensors
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import Request, Rollouts, load_policy
from fpc.domains.nethack.rollout import Episode, in_batches, new_episodes, play, sample_actions
from fpc.domains.nethack.start_state_capture import capture

from .random_games import NETWORK, task

TASK = task(max_steps=40)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "step_0.safetensors"
    network = NetHackNetwork.seeded(NETWORK, 0)
    with torch.no_grad():
        network.policy.bias[:16] += 20.0  # mostly moves, so that games differ
        for parameter in network.parameters():  # so that the recurrent state matters
            if parameter.dim() > 1:
                parameter *= 4.0
    write_tensors(path, network.state_dict() | {"optimizer.step": torch.zeros(1)})
    return path


def test_games_do_not_depend_on_the_number_of_processes(policy: Path) -> None:
    requests = {name: Request(new_episodes(1, name, 5), TASK) for name in ("level_1", "final")}
    found = []
    for processes in (1, 2):
        done: list[int] = []
        with Rollouts(NETWORK, 2, processes) as rollouts:
            found.append(rollouts.play(policy, requests, done.append))
        assert done[-1] == 10
    assert found[0] == found[1]
    records = found[0]["level_1"]
    assert [record.number for record in records] == list(range(5))
    assert [record.steps for record in records] == [40] * 5
    assert all(record.truncated for record in records)
    assert records != found[0]["final"]  # other games


def test_an_episode_does_not_depend_on_those_played_in_parallel(policy: Path) -> None:
    network = load_policy(policy, NETWORK)
    episodes = new_episodes(1, "level_1", 4)
    together = play(network, TASK, episodes, 4)
    alone = [play(network, TASK, [episode], 1)[0] for episode in episodes]
    assert together == alone
    ended_early = play(network, task(max_steps=40, no_progress_limit=3), episodes, 4)
    assert len({record.steps for record in ended_early}) > 1  # games leave the batch one by one
    alone = [play(network, task(max_steps=40, no_progress_limit=3), [episode], 1)[0] for episode in episodes]
    assert ended_early == alone


def test_another_action_seed_plays_another_game(policy: Path) -> None:
    network = load_policy(policy, NETWORK)
    first = new_episodes(1, "level_1", 1)[0]
    records = play(network, TASK, [first, replace(first, action_seed=first.action_seed + 1)], 2)
    assert records[0].metrics != records[1].metrics


def test_episodes_can_begin_from_start_states(policy: Path) -> None:
    environment = NetHackEnvironment(TASK)
    start = capture(environment, "level_1", 4, (ord("s"),) * 30)
    turns = environment.metrics.turns
    environment.close()
    (record,) = play(load_policy(policy, NETWORK), task(max_steps=3), [Episode(7, start, 0)], 1)
    assert (record.number, record.steps, record.score) == (7, 3, 0.0)
    assert turns > 15
    assert record.dungeon == ((turns, 1),)


def test_seeds_of_episodes_depend_on_run_probe_and_number() -> None:
    games = [new_episodes(*of, 2) for of in ((1, "a"), (1, "b"), (2, "a"))]
    flat = [
        word for episodes in games for episode in episodes for word in (episode.start, episode.action_seed)
    ]
    assert len(set(flat)) == 12
    assert new_episodes(1, "a", 1) == games[0][:1]


def test_batches_are_few_and_of_nearly_equal_size() -> None:
    episodes = new_episodes(0, "a", 7)
    assert [len(part) for part in in_batches(episodes, 3)] == [2, 2, 3]
    assert [episode for part in in_batches(episodes, 3) for episode in part] == episodes
    assert in_batches([], 3) == []


def test_actions_are_sampled_by_inverting_the_distribution_function() -> None:
    logits = torch.tensor([[0.0, np.log(2.0), 0.0]]).repeat(6, 1)  # probabilities 1/4, 1/2, 1/4
    uniforms = np.array([0.0, 0.2499, 0.2501, 0.7499, 0.7501, 0.999999])
    assert sample_actions(logits, uniforms).tolist() == [0, 0, 1, 1, 2, 2]
    certain = torch.tensor([[-1e9, 0.0, -1e9]])
    assert sample_actions(certain, np.array([0.0])).tolist() == [1]


def test_a_policy_of_another_size_is_refused(policy: Path) -> None:
    other = NETWORK.model_copy(update={"hidden": 9})
    with pytest.raises(ValueError, match=r"step_0.safetensors: fc.0.weight has shape \(8, .* needs \(9, "):
        load_policy(policy, other)


def test_the_number_of_processes_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FPC_PROCESSES", "none")
    with pytest.raises(ValueError, match="FPC_PROCESSES must be an integer"):
        Rollouts(NETWORK, 2)
