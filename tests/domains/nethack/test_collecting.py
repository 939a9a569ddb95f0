from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from fpc.core.files import read_tensors, write_tensors
from fpc.domains.nethack.after_encoder import PolicyHead
from fpc.domains.nethack.collecting import collect, divergence_games
from fpc.domains.nethack.config import CloneOptions, NetHackExperiment, SourceOptions, StartStateOptions
from fpc.domains.nethack.divergence import divergence, read_divergence_data, with_features, with_outputs
from fpc.domains.nethack.expert_sequences import StoredSequences, StreamedSequences, open_sequences
from fpc.domains.nethack.games import read_game
from fpc.domains.nethack.metrics import METRICS
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import load_policy
from fpc.domains.nethack.pretraining import pretrain
from fpc.domains.nethack.recordings import Recording, Recordings
from fpc.domains.nethack.replaying import replay_games
from fpc.domains.nethack.sources import read_game_list
from fpc.domains.nethack.start_states import read_start_states
from fpc.workflow.run import Run

from .random_games import NETWORK, experiment, task

EXPERT = SourceOptions(kind="expert", games=6, max_steps=120)


def small(**collected: Any) -> NetHackExperiment:
    """An experiment whose pretrain and collect take seconds; the Far level is level 2."""
    paper = experiment(max_steps=30, batch=4)
    cloned = CloneOptions(
        passes=1.0, streams=4, sequence_length=16, learning_rate=0.01, max_grad_norm=4.0, held_out=0.2
    )
    pretrained = {
        "recipe": "clone",
        "source": EXPERT,
        "clone": cloned,
        "published": None,
        "critic": paper.pretrain.critic.model_copy(update={"steps": 0}),
        "probe_games": 3,
    }
    chosen = {
        "recipe": "stored",
        "source": None,
        "transitions": 100_000,
        "far_level": 2,
        "level": StartStateOptions(count=2, max_games=6),
        "sokoban": StartStateOptions(count=1, max_games=1),
        "max_steps": 400,
        "divergence_games": 2,
    }
    return paper.model_copy(
        update={
            "environment": task(max_steps=1000),
            "pretrain": paper.pretrain.model_copy(update=pretrained),
            "collect": paper.collect.model_copy(update=chosen | collected),
        }
    )


def make_run(folder: Path, phase: str, name: str | None = None) -> Run:
    name = name or phase
    parents = {"pretrain": folder / "pretrain"} if phase != "pretrain" else {}
    run = Run("tiny", "nethack", phase, None, (0,), folder / f"{name}_state", folder / name, parents)
    run.state.mkdir(parents=True, exist_ok=True)
    run.output.mkdir(parents=True, exist_ok=True)
    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    pretrain(small(), make_run(folder, "pretrain"))
    collect(small(), make_run(folder, "collect"))
    streamed = small(
        recipe="streamed",
        level=StartStateOptions(count=0, max_games=1),
        sokoban=StartStateOptions(count=0, max_games=1),
    )
    collect(streamed, make_run(folder, "collect", "streamed"))
    return folder


def test_pretraining_writes_the_policy_its_games_and_its_measures(made: Path) -> None:
    load_policy(made / "pretrain" / "policy.safetensors", NETWORK)
    games, held_out = read_game_list(made / "pretrain" / "games.json")
    assert len(games.games) == 6
    assert len(held_out) == 2  # a fifth of 6, rounded up
    table = pd.read_parquet(made / "pretrain" / "training.parquet")
    assert list(table.columns) == ["step", "seed", "metric", "value"]
    expected = {"training_cross_entropy", "cross_entropy", "accuracy", "perplexity", "probe_return"}
    assert set(table["metric"]) == expected | {f"probe_{name}" for name in METRICS}
    assert set(table["seed"]) == {0}


def test_an_interrupted_pretraining_resumes(made: Path, tmp_path: Path) -> None:
    calls = 0
    run = make_run(tmp_path, "pretrain")
    run.checkpoint_seconds = 0.0
    report = run.report

    def kill(*values: Any, **metrics: float) -> None:
        nonlocal calls
        calls += "training_cross_entropy" in metrics
        if calls == 3:
            raise KeyboardInterrupt
        report(*values, **metrics)

    run.report = kill  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        pretrain(small(), run)
    recordings = {path: path.stat().st_mtime_ns for path in run.output.rglob("*.bz2")}
    again = make_run(tmp_path, "pretrain")
    pretrain(small(), again)
    assert {path: path.stat().st_mtime_ns for path in again.output.rglob("*.bz2")} == recordings
    first, second = (read_tensors(folder / "pretrain" / "policy.safetensors") for folder in (made, tmp_path))
    assert all(torch.equal(value, second[name]) for name, value in first.items())
    pd.testing.assert_frame_equal(
        *(pd.read_parquet(folder / "pretrain" / "training.parquet") for folder in (made, tmp_path))
    )


def opened(
    made: Path, name: str, streams: int, length: int, seed: int, limit: int | None = None
) -> StoredSequences | StreamedSequences:
    """The expert sequences of an artifact of `collect`."""
    pi_star = str(made / "pretrain" / "policy.safetensors")
    return open_sequences(str(made / name), streams, length, seed, limit, pi_star=pi_star)


def test_stored_data_are_whole_games_without_pi_stars_outputs(made: Path) -> None:
    tensors = read_tensors(made / "collect" / "expert.safetensors")
    count = len(tensors["starts"])
    assert {name: (value.dtype, tuple(value.shape)) for name, value in tensors.items()} == {
        "features": (torch.float16, (count, NETWORK.hidden)),
        "actions": (torch.uint8, (count,)),
        "starts": (torch.bool, (count,)),
        "depth": (torch.uint8, (count,)),
    }
    assert int(tensors["starts"].sum()) == 4  # 6 games, 2 of them reserved for the divergence
    reserved = read_tensors(made / "collect" / "divergence.safetensors")
    assert {name: value.dtype for name, value in reserved.items()} == {
        name: value.dtype for name, value in tensors.items()
    }
    assert int(reserved["starts"].sum()) == 2


def test_outputs_on_stored_games_are_those_of_pi_star_playing_the_recordings(made: Path) -> None:
    """That is from the screens on, in single precision, game by game; the features stored are rounded."""
    network = load_policy(made / "pretrain" / "policy.safetensors", NETWORK)
    games, _ = read_game_list(made / "streamed" / "games.json")  # those of `collect`, too
    played = dict(replay_games(network, games, width=1))
    expected = torch.cat([played[game].logits.log_softmax(-1) for game in games.games])
    sequences = opened(made, "collect", 3, 16, 5)
    assert isinstance(sequences, StoredSequences)
    assert torch.equal(
        sequences.tensors["actions"].long(), torch.cat([played[g].actions for g in games.games])
    )
    found = sequences.tensors["outputs"]
    assert found.dtype == torch.float16
    torch.testing.assert_close(found.float(), expected, atol=5e-3, rtol=2e-3)
    other = opened(made, "collect", 2, 8, 7, limit=int(sequences.tensors["starts"].nonzero()[1]))
    assert isinstance(other, StoredSequences)
    assert torch.equal(other.tensors["outputs"], found)


def test_opening_stored_games_draws_no_random_numbers(made: Path) -> None:
    before = torch.get_rng_state()
    opened(made, "collect", 3, 16, 5)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_divergence_of_pi_star_from_itself_is_zero(made: Path) -> None:
    pi_star = made / "pretrain" / "policy.safetensors"
    network = load_policy(pi_star, NETWORK)
    for folder in ("collect", "streamed"):
        data = with_outputs(read_divergence_data(made / folder / "divergence.safetensors"), pi_star)
        assert int(data["starts"].sum()) == 2
        assert ("features" in data) == (folder == "collect")
        other = NetHackNetwork.seeded(NETWORK, 9)
        own, others = (
            divergence(policy, data if folder == "collect" else with_features(policy, data))
            for policy in (network, other)
        )
        assert float(own.abs().max()) < 1e-5
        assert float(others.mean()) > 0.1


def test_the_experts_actions_are_stored_and_streamed(made: Path) -> None:
    """The actions kept beside the features are those of the recordings, game by game."""
    games, _ = read_game_list(made / "streamed" / "games.json")
    played = [read_game(games, game).actions.tolist() for game in games.games]
    tensors = read_tensors(made / "collect" / "expert.safetensors")
    begins = tensors["starts"].nonzero().flatten().tolist()
    actions = tensors["actions"].tolist()
    stored = [actions[begin:end] for begin, end in zip(begins, [*begins[1:], len(actions)], strict=True)]
    assert sorted(stored) == sorted(played)
    first, again = (opened(made, folder, 2, 8, 0).next() for folder in ("collect", "streamed"))
    assert first.actions is not None
    assert again.actions is not None
    assert first.actions.tolist() == again.actions.tolist()


def test_start_states_and_the_experts_games_are_written(made: Path) -> None:
    states = read_start_states(made / "collect" / "start_states.json")
    assert [(state.probe, state.wizard) for state in states] == [
        ("level_2", False),
        ("level_2", False),
        ("sokoban", True),
    ]
    games = pd.read_parquet(made / "collect" / "expert_games.parquet")
    assert list(games.columns) == ["episode", *METRICS]
    dungeon = pd.read_parquet(made / "collect" / "expert_dungeon.parquet")
    assert list(dungeon.columns) == ["episode", "turn", "depth"]
    deepest = dungeon.groupby("episode")["depth"].max()
    assert deepest.tolist() == games["depth"].tolist()
    assert (deepest >= 2).sum() >= 2
    assert read_start_states(made / "streamed" / "start_states.json") == []


def test_the_depth_of_the_recorded_games_is_written(made: Path) -> None:
    """All games that pi* was cloned from, whatever they are used for, and none chosen by its depth."""
    recorded, _ = read_game_list(made / "pretrain" / "games.json")
    assert len(recorded.games) == 6
    table = pd.read_parquet(made / "collect" / "expert_recordings.parquet")
    assert table["depth"].tolist() == [recorded.by_game[game].deepest for game in recorded.games]


def test_an_unreachable_level_is_reported(made: Path, tmp_path: Path) -> None:
    (tmp_path / "pretrain").symlink_to(made / "pretrain")
    far = small(far_level=30, max_steps=20, level=StartStateOptions(count=1, max_games=2))
    with pytest.raises(ValueError, match=r"level 30 in none of 2 games; lower collect\.far_level"):
        collect(far, make_run(tmp_path, "collect"))


def test_steps_beyond_the_limit_are_not_stored(made: Path, tmp_path: Path) -> None:
    (tmp_path / "pretrain").symlink_to(made / "pretrain")
    nothing = StartStateOptions(count=0, max_games=1)
    few = small(transitions=250, level=nothing, sokoban=nothing)
    collect(few, make_run(tmp_path, "collect"))
    tensors = read_tensors(tmp_path / "collect" / "expert.safetensors")
    assert 0 < len(tensors["starts"]) <= 250
    assert tensors["starts"][0]
    with pytest.raises(ValueError, match=r"collect\.transitions is 10"):
        collect(small(transitions=10, level=nothing, sokoban=nothing), make_run(tmp_path, "collect", "other"))


def test_stored_and_streamed_sequences_read_the_same_games(made: Path) -> None:
    network = load_policy(made / "pretrain" / "policy.safetensors", NETWORK).eval()
    stored, streamed = (opened(made, name, 3, 16, 5) for name in ("collect", "streamed"))
    for _ in range(40):
        one, other = stored.next(), streamed.next()
        assert torch.equal(one.starts, other.starts)
        assert other.outputs is None
        assert other.observations is not None
        assert one.features is not None
        with torch.no_grad():
            features = network.encode(
                {name: value.flatten(0, 1) for name, value in other.observations.items()}
            )
        torch.testing.assert_close(
            features, one.features.flatten(0, 1).float(), rtol=2e-3, atol=1e-3, check_dtype=False
        )


@pytest.mark.parametrize("artifact", ["collect", "streamed"])
def test_sequences_resume_from_their_state(made: Path, artifact: str) -> None:
    sequences = opened(made, artifact, 3, 16, 5)
    for _ in range(9):
        sequences.next()
    state = sequences.state_dict()
    assert all(value.dtype == torch.int64 for value in state.values())
    expected = [sequences.next() for _ in range(20)]
    again = opened(made, artifact, 3, 16, 5)
    again.load_state_dict(state)
    for one, other in zip(expected, [again.next() for _ in range(20)], strict=True):
        assert torch.equal(one.starts, other.starts)
        if one.features is not None:
            assert other.features is not None
            assert torch.equal(one.features, other.features)
        if one.observations is not None:
            assert other.observations is not None
            for name, value in one.observations.items():
                assert torch.equal(value, other.observations[name])


def numbered(lengths: list[int]) -> dict[str, torch.Tensor]:
    """Stored games whose features are the index of the step; the actions are 0, 1, 2, 0, 1, 2, ..."""
    total = sum(lengths)
    starts = torch.zeros(total, dtype=torch.bool)
    starts[[sum(lengths[:game]) for game in range(len(lengths))]] = True
    steps = torch.arange(total, dtype=torch.float16)[:, None]
    actions = (torch.arange(total) % 3).to(torch.uint8)
    tensors = {"features": steps, "outputs": steps, "actions": actions}
    return {**tensors, "starts": starts, "depth": torch.ones(total)}


def test_stored_streams_read_whole_games_in_order() -> None:
    sequences = StoredSequences(numbered([5, 3, 4]), 1, 6, seed=0)
    features = torch.cat([sequences.next().features for _ in range(4)]).flatten().tolist()  # type: ignore[misc]
    games = {0: list(range(5)), 5: [5, 6, 7], 8: [8, 9, 10, 11]}
    for turn in (features[:12], features[12:]):
        assert sorted(turn) == list(range(12))
        while turn:
            game = games[int(turn[0])]
            assert turn[: len(game)] == game
            turn = turn[len(game) :]


def test_a_smaller_memory_holds_the_first_whole_games(made: Path) -> None:
    seen = StoredSequences(numbered([5, 3, 4]), 2, 8, seed=0, limit=9).next().features
    assert seen is not None
    assert set(seen.flatten().tolist()) == set(range(8))
    with pytest.raises(ValueError, match="memory_size is 4, but the expert's first game has 5 steps"):
        StoredSequences(numbered([5, 3]), 2, 8, seed=0, limit=4)
    with pytest.raises(ValueError, match="memory_size is 1, but"):
        opened(made, "streamed", 1, 8, 0, limit=1)
    with pytest.raises(ValueError, match="memory_size is 1, but"):
        opened(made, "collect", 1, 8, 0, limit=1)


def test_unusable_stored_sequences_are_refused(made: Path, tmp_path: Path) -> None:
    (tmp_path / "pretrain").symlink_to(made / "pretrain")
    path, tensors = tmp_path / "collect" / "expert.safetensors", numbered([5])
    del tensors["outputs"]  # shares its memory with the features
    write_tensors(path, tensors)
    with pytest.raises(
        ValueError, match=r"shape \(5, 1\), the LSTM of .* takes 8 numbers a step; run collect"
    ):
        opened(tmp_path, "collect", 1, 8, 0)
    write_tensors(path, {name: value for name, value in tensors.items() if name != "actions"})
    with pytest.raises(
        ValueError, match=r"collect/expert.safetensors must .* features 5, actions 0, starts 5"
    ):
        opened(tmp_path, "collect", 1, 8, 0)
    with pytest.raises(ValueError, match=r"neither expert\.safetensors nor games\.json"):
        opened(tmp_path, "nothing", 1, 8, 0)


def test_a_policy_without_an_lstm_is_refused(made: Path, tmp_path: Path) -> None:
    whole = read_tensors(made / "pretrain" / "policy.safetensors")
    path = tmp_path / "policy.safetensors"
    write_tensors(path, {name: value for name, value in whole.items() if name != "core.bias_hh_l0"})
    with pytest.raises(
        ValueError, match=r"policy\.safetensors: not a policy with an LSTM .*core\.bias_hh_l0"
    ):
        PolicyHead.load(path)


def test_divergence_is_measured_on_deep_games_not_used_for_training() -> None:
    deepest = [1, 5, 4, 2, 6, 1]
    games = Recordings(Path(), 3, {game: Recording((), depth) for game, depth in enumerate(deepest)})
    assert divergence_games(games, [4, 5], 1, 4) == [4]
    assert divergence_games(games, [4, 5], 3, 4) == [1, 2, 4]
    assert divergence_games(games, [0, 4], 4, 6) == [0, 1, 4]  # at most half of all games
    assert divergence_games(games, [], 0, 4) == []
