from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from torch.nn import functional

from fpc.core.errors import UserError
from fpc.domains.nethack.cloning import clone, measure, split, updates_of
from fpc.domains.nethack.config import CloneOptions
from fpc.domains.nethack.games import LoadedGames, count_actions, read_game
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.replaying import replay_games

from .random_games import NETWORK
from .recorded_games import chosen_games

SIZES = NETWORK.model_copy(update={"hidden": 32})


def options(**changes: float) -> CloneOptions:
    values = {
        "passes": 1.0,
        "streams": 4,
        "sequence_length": 8,
        "learning_rate": 0.02,
        "max_grad_norm": 4.0,
        "held_out": 0.2,
    }
    return CloneOptions.model_validate(values | changes)


def run(
    games: LoadedGames,
    chosen: CloneOptions,
    state: Path,
    report: Callable[..., None] = lambda *_: None,
    seconds: float = 60.0,
) -> tuple[NetHackNetwork, pd.DataFrame]:
    network = NetHackNetwork.seeded(SIZES, 1)
    learned, held_out = split(games, chosen.held_out, 0)
    table = clone(
        network,
        games.selected(learned),
        games.selected(held_out),
        count_actions(games.selected(learned)),
        chosen,
        seed=2,
        state=state,
        report=report,
        checkpoint_seconds=seconds,
    )
    return network, table


def test_the_clone_predicts_the_expert_in_held_out_games(tmp_path: Path) -> None:
    games = chosen_games([30, 50, 20, 40, 60])
    before = measure(NetHackNetwork.seeded(SIZES, 1), games)
    network, table = run(games, options(passes=12.0, learning_rate=0.01), tmp_path)
    assert before["accuracy"] < 0.6
    found = table.groupby("metric")["value"].last()
    assert found["accuracy"] > 0.95
    assert found["cross_entropy"] < 1.0 < before["cross_entropy"]
    assert found["perplexity"] == pytest.approx(math.exp(found["cross_entropy"]))
    held_out = split(games, 0.2, 0)[1]
    assert measure(network, games.selected(held_out))["accuracy"] == found["accuracy"]
    assert not network.training


def test_a_killed_run_resumes_to_the_same_bits(tmp_path: Path) -> None:
    games, chosen = chosen_games([30, 50, 20, 40, 60]), options(passes=2.0)
    network, table = run(games, chosen, tmp_path / "whole")
    reports = 0

    def kill(step: int, measures: dict[str, float]) -> None:
        nonlocal reports
        reports += 1
        if reports == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(games, chosen, tmp_path / "killed", kill, seconds=0.0)
    steps: list[int] = []
    again, other = run(games, chosen, tmp_path / "killed", lambda step, _: steps.append(step))
    assert steps[0] > 4 * 8  # not from the beginning
    pd.testing.assert_frame_equal(table, other)
    for (name, one), two in zip(network.state_dict().items(), again.state_dict().values(), strict=True):
        assert torch.equal(one, two), name


def test_batch_normalisation_statistics_change_in_training_only(tmp_path: Path) -> None:
    games = chosen_games([30, 50])
    network = NetHackNetwork.seeded(SIZES, 1)
    statistics = {name: value.clone() for name, value in network.named_buffers() if "running" in name}
    measure(network, games)
    assert all(torch.equal(dict(network.named_buffers())[name], value) for name, value in statistics.items())
    trained, _ = run(games, options(), tmp_path)
    after = dict(trained.named_buffers())
    assert not any(torch.equal(after[name], value) for name, value in statistics.items())


def test_the_numbers_of_updates_and_steps_follow_the_options(tmp_path: Path) -> None:
    assert updates_of(320, options(passes=3.0)) == 30  # 3 * 320 / (4 * 8)
    assert updates_of(321, options(passes=3.0)) == 31
    assert updates_of(1, options(passes=0.1)) == 1
    _, table = run(chosen_games([32] * 5), options(passes=2.0), tmp_path)
    losses = table[table["metric"] == "training_cross_entropy"]
    assert losses["step"].tolist() == [32 * update for update in range(1, 9)]  # 2 * 4 games * 32 steps
    assert set(table["seed"]) == {2}


def test_a_uniform_policy_has_a_perplexity_of_121() -> None:
    network, games = NetHackNetwork.seeded(NETWORK, 0), chosen_games([9, 4])
    with torch.no_grad():
        network.policy.weight.zero_()
        network.policy.bias.zero_()
        found = measure(network, games)
        assert found["perplexity"] == pytest.approx(121)
        network.policy.bias[2] = 1.0
        found = measure(network, games)
    share = float((games.frames.actions == 2).mean())
    assert found["accuracy"] == pytest.approx(share)
    expected = math.log(120 + math.e) - share
    assert found["cross_entropy"] == pytest.approx(expected)


def test_a_share_of_the_games_is_held_out() -> None:
    games = chosen_games([3] * 20)
    learned, held_out = split(games, 0.1, 0)
    assert len(held_out) == 2
    assert sorted(learned + held_out) == list(range(20))
    assert split(games, 0.1, 0) == (learned, held_out)
    assert split(games, 0.1, 1)[1] != held_out
    assert split(games, 0.0, 0)[1] == []
    assert split(chosen_games([3]), 0.5, 0) == ([0], [])


def test_replayed_games_match_the_network_step_by_step() -> None:
    network, games = NetHackNetwork.seeded(NETWORK, 3).eval(), chosen_games([11, 3, 25, 8])
    narrow = dict(replay_games(network, games, width=1, length=4))
    wide = dict(replay_games(network, games, width=3, length=7))
    assert list(wide) == [0, 1, 2, 3]
    for game, found in wide.items():
        frames = read_game(games, game)
        state = network.initial_state(1)
        expected = []
        with torch.no_grad():
            for step in range(len(frames)):
                names = ("tty_chars", "tty_colors", "tty_cursor", "previous_action")
                observation = {
                    name: torch.from_numpy(getattr(frames, name)[None, step : step + 1]) for name in names
                }
                logits, _, state = network(observation, torch.zeros(1, 1, dtype=torch.bool), state)
                expected.append(logits[0, 0])
        torch.testing.assert_close(found.logits, torch.stack(expected))
        torch.testing.assert_close(found.logits, narrow[game].logits)
        assert found.actions.tolist() == frames.actions.tolist()
        assert found.starts.tolist() == frames.starts.tolist()
        assert found.depths.tolist() == [1] * len(frames)


def test_outputs_follow_from_the_features_as_stored() -> None:
    network, games = NetHackNetwork.seeded(NETWORK, 3), chosen_games([40])
    ((_, found),) = replay_games(network, games, features_dtype=torch.float16)
    assert found.features.dtype == torch.float16
    with torch.no_grad():
        outputs, _ = network.core(found.features.float()[:, None])
        own = network.policy(outputs[:, 0])
    difference = functional.kl_div(
        own.log_softmax(-1), found.logits.log_softmax(-1), reduction="batchmean", log_target=True
    )
    assert abs(float(difference)) < 1e-7


def test_a_loss_that_is_not_finite_is_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"lower pretrain\.clone\.learning_rate"):
        run(chosen_games([30] * 5), options(passes=20.0, learning_rate=1e30), tmp_path)
