from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fpc.core.files import write_tensors
from fpc.domains.nethack.config import EnvironmentOptions, NetHackExperiment
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import Rollouts, load_policy, shares_of
from fpc.domains.nethack.rollout import (
    Environments,
    Episode,
    EpisodeRecord,
    Planned,
    new_episodes,
    play_games,
    rows_of,
    sample_actions,
)
from fpc.domains.nethack.start_state_capture import capture
from fpc.learners.recurrence import unroll
from fpc.workflow.loader import load

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


def play(
    network: NetHackNetwork, environment: EnvironmentOptions, episodes: Sequence[Episode], batch: int
) -> list[EpisodeRecord]:
    """Records in the order of the episodes."""
    environments = Environments()
    planned = [Planned(episode, environment) for episode in episodes]
    found = dict(play_games(network, enumerate(planned), batch, environments))
    environments.close()
    return [found[number] for number in range(len(episodes))]


def rows_called(network: NetHackNetwork) -> list[int]:
    """A list that is going to hold the number of rows of each call of the network."""
    rows: list[int] = []
    network.policy.register_forward_hook(lambda module, inputs, output: rows.append(len(inputs[0])))
    return rows


def test_games_do_not_depend_on_batch_processes_or_order(policy: Path) -> None:
    short = task(max_steps=40, no_progress_limit=4)  # games end one by one
    planned = [(policy, Planned(episode, short)) for episode in new_episodes(1, "level_1", 33)]
    found = []
    for processes, batch in ((1, 1), (1, 4), (1, 32), (2, 4)):
        with Rollouts(NETWORK, batch, processes) as rollouts:
            ended = list(rollouts.play(planned))
        assert sorted(number for number, _ in ended) == list(range(33))
        found.append([record for _, record in sorted(ended, key=lambda pair: pair[0])])
    assert all(records == found[0] for records in found)
    assert [record.number for record in found[0]] == list(range(33))
    assert len({record.steps for record in found[0]}) > 3
    backwards = play(load_policy(policy, NETWORK), short, [game.episode for _, game in planned][::-1], 5)
    assert backwards[::-1] == found[0]


def test_a_place_whose_game_has_ended_takes_the_next(policy: Path) -> None:
    network = load_policy(policy, NETWORK)
    rows = rows_called(network)
    ends = play(network, task(max_steps=40, no_progress_limit=4), new_episodes(1, "level_1", 24), 8)
    steps = [record.steps for record in ends]
    free = [0] * 8  # when each place is free again
    for length in steps:
        place = free.index(min(free))
        free[place] += length
    assert len(rows) == max(free)  # as in a simulation of eight places; one batch at a time needs more
    assert sum(max(steps[low : low + 8]) for low in (0, 8, 16)) > len(rows)


def test_the_network_rounds_a_row_alike_whatever_the_others() -> None:
    laptop = load("laptop").experiments["nethack"]
    assert isinstance(laptop, NetHackExperiment)
    network = NetHackNetwork.seeded(laptop.network, 0).eval()
    generator = torch.Generator().manual_seed(0)

    def drawn(least: int, most: int, *shape: int) -> torch.Tensor:
        return torch.randint(least, most, (40, *shape), generator=generator, dtype=torch.uint8)

    screens = {
        "tty_chars": drawn(32, 127, 24, 80),
        "tty_colors": drawn(0, 16, 24, 80),
        "tty_cursor": drawn(1, 21, 2),
        "previous_action": drawn(0, 121, 1),
    }
    state = torch.randn(40, 2 * network.hidden, generator=generator)

    def logits(rows: torch.Tensor) -> torch.Tensor:
        starts = torch.zeros(1, len(rows), dtype=torch.bool)
        with torch.inference_mode():
            features = network.encode({name: value[rows] for name, value in screens.items()})
            hidden, _ = unroll(network.core, features[None], starts, state[rows])
            return network.policy(hidden[0])

    together = logits(torch.arange(40))
    for games in (1, 7, 16, 17):
        rows = torch.arange(rows_of(games, 32, torch.device("cpu"))).flip(0) + 8
        assert torch.equal(logits(rows), together[rows])


def test_calls_are_padded() -> None:
    assert [rows_of(games, 32, torch.device("cpu")) for games in (1, 8, 17, 32)] == [16, 16, 32, 32]
    assert [rows_of(games, 32, torch.device("cuda")) for games in (1, 32)] == [32, 32]


def test_shares_keep_places_full_and_processes_at_work() -> None:
    policies = [Path("a")] * 60 + [Path("b")] * 300
    games = [(policy, Planned(Episode(0, 0, 0), TASK)) for policy in policies]
    shares = shares_of(games, 32, 2)
    assert [(share.policy.name, len(share.games)) for share in shares] == [("a", 60)] + [("b", 100)] * 3
    assert [number for share in shares for number, _ in share.games] == list(range(360))
    assert [len(share.games) for share in shares_of(games[60:], 32, 6)] == [50] * 6
    assert [len(share.games) for share in shares_of(games[:60], 32, 6)] == [30] * 2
    assert shares_of([], 32, 1) == []


def test_the_error_of_a_process_reaches_the_caller(policy: Path, tmp_path: Path) -> None:
    game = Planned(new_episodes(1, "level_1", 1)[0], TASK)
    with (
        Rollouts(NETWORK, 2, 2) as rollouts,
        pytest.raises(FileNotFoundError, match=r"nothing\.safetensors"),
    ):
        list(rollouts.play([(policy, game), (tmp_path / "nothing.safetensors", game)]))


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
