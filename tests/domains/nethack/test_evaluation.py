from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from fpc.core.files import read_tensors, write_tensors
from fpc.core.milestones import find_milestones, write_milestone
from fpc.domains.nethack.config import EvaluateOptions
from fpc.domains.nethack.divergence import (
    Divergence,
    divergence,
    divergence_rows,
    read_divergence_data,
    shortened,
    with_features,
)
from fpc.domains.nethack.domain import DOMAIN
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.evaluation import evaluate, evaluate_pi_star
from fpc.domains.nethack.games import bounds_of
from fpc.domains.nethack.metrics import METRICS
from fpc.domains.nethack.milestone_weights import changed_weights, complete_weights
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.sokoban import sokoban_states
from fpc.domains.nethack.start_state_capture import capture
from fpc.domains.nethack.start_states import write_start_states
from fpc.workflow.run import Run

from .random_games import NETWORK, experiment, task

EVALUATE = {
    "episodes": 2,
    "sokoban_episodes": 1,
    "final_episodes": 3,
    "pi_star_episodes": 3,
    "max_steps": 12,
    "far_max_steps": 6,
    "batch": 2,
}
KEY = ["step", "probe", "episode", "measure"]


def games_of_expert(steps: int = 12) -> dict[str, Tensor]:
    """Two expert games: one stays on level 1, the other descends to level 5 and ends on level 1."""
    generator = torch.Generator().manual_seed(0)
    starts = torch.zeros(steps, dtype=torch.bool)
    starts[[0, 5]] = True
    return {
        "features": torch.rand(steps, NETWORK.hidden, generator=generator).half(),
        "outputs": torch.randn(steps, 121, generator=generator),
        "starts": starts,
        "depth": torch.tensor([1] * 5 + [1, 1, 2, 4, 4, 5] + [1] * (steps - 11), dtype=torch.uint8),
    }


def make_run(folder: Path, method: str = "vanilla", *, own_encoder: bool = False) -> Run:
    """A run of `evaluate` with two milestones, start states and expert games."""
    pi_star = NetHackNetwork.seeded(NETWORK, 0)
    write_tensors(folder / "pretrain" / "policy.safetensors", pi_star.state_dict())
    for step in (0, 50):
        network = NetHackNetwork.seeded(NETWORK, 1 if own_encoder else 0)
        with torch.no_grad():
            network.policy.bias[step % 49] += 1.0
        kept = network.state_dict()
        if not own_encoder:
            kept = changed_weights(kept, pi_star.state_dict())
            assert kept.keys() == {"policy.bias"}
        write_milestone(folder / "finetune", step, kept)
    expert = games_of_expert()
    del expert["outputs"]  # recipe `stored`
    write_tensors(folder / "collect" / "divergence.safetensors", expert)
    environment = NetHackEnvironment(task())
    states = [capture(environment, "level_4", seed, (ord("s"),) * 4) for seed in (1, 2)]
    environment.close()
    write_start_states(folder / "collect" / "start_states.json", [*states, *sokoban_states(task(), 0, 1)])
    parents = {name: folder / name for name in ("finetune", "collect", "pretrain")}
    run = Run("tiny", "nethack", "evaluate", method, (3,), folder / "state", folder / "output", parents)
    run.state.mkdir(parents=True, exist_ok=True)
    return run


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an evaluated run."""
    folder = tmp_path_factory.mktemp("evaluated")
    evaluate(experiment(**EVALUATE), make_run(folder))
    return folder


def test_every_probe_of_every_milestone_has_its_rows(made: Path) -> None:
    table = pd.read_parquet(made / "output" / "episodes.parquet")
    assert set(table["method"]) == {"vanilla"}
    assert set(table["seed"]) == {3}
    games = table[table["measure"] == "return"].groupby(["step", "probe", "group"]).size().to_dict()
    probes = {("level_1", "close"): 2, ("level_4", "far"): 2, ("sokoban", "far"): 1, ("final", "whole"): 3}
    assert games == {(step, *probe): count for step in (0, 50) for probe, count in probes.items()}
    measures = table.groupby("probe")["measure"].unique().map(set).to_dict()
    every = {"return", *METRICS}
    assert measures["final"] == every
    assert measures["sokoban"] == every | {"pits_filled"}
    assert measures["level_1"] == measures["level_4"] == every | {"kl_divergence"}
    turns = table[table["measure"] == "turns"].groupby("probe")["value"].max()
    assert turns["level_1"] <= 13  # twelve steps, from turn 1


def test_milestones_of_what_changed_are_measured_like_whole_ones(made: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    pi_star = run.parents["pretrain"] / "policy.safetensors"
    for path in find_milestones(run.parents["finetune"]).values():
        write_tensors(path, complete_weights(path, pi_star))
    evaluate(experiment(**EVALUATE), run)
    for name in ("episodes", "dungeon"):
        tables = [pd.read_parquet(folder / "output" / f"{name}.parquet") for folder in (made, tmp_path)]
        pd.testing.assert_frame_equal(*tables)


@pytest.mark.parametrize(("early", "at_25"), [((10, 25), [1, 0, 1, 0, 1]), ((25, 40), [1])])
def test_the_first_last_and_last_early_milestones_have_more_games_on_the_far_level(
    tmp_path: Path, early: tuple[int, ...], at_25: list[int]
) -> None:
    run = make_run(tmp_path)
    milestones = tmp_path / "finetune" / "milestones"
    shutil.copy(milestones / "step_50.safetensors", milestones / "step_25.safetensors")
    options = experiment(**EVALUATE | {"episodes": 1, "final_far_episodes": 5})
    finetune = options.finetune.model_copy(update={"early_milestones": early})
    evaluate(options.model_copy(update={"finetune": finetune}), run)
    table = pd.read_parquet(run.output / "episodes.parquet")
    far = table[(table["probe"] == "level_4") & (table["measure"] == "return")]
    starts = far.groupby("step")["start"].agg(list).to_dict()
    assert starts == {0: [1, 0, 1, 0, 1], 25: at_25, 50: [1, 0, 1, 0, 1]}, (
        "seed 3 begins at the fourth of two"
    )
    assert far["episode"].tolist() == [0, 1, 2, 3, 4, *range(len(at_25)), 0, 1, 2, 3, 4]


def test_fewer_final_games_than_usual_are_refused() -> None:
    with pytest.raises(ValueError, match=r"final_far_episodes is 1, but each milestone has .*, 2; raise"):
        EvaluateOptions.model_validate(EVALUATE | {"final_far_episodes": 1})


def test_games_of_the_first_and_last_milestones_record_when_they_went_deeper(made: Path) -> None:
    table = pd.read_parquet(made / "output" / "dungeon.parquet")
    assert list(table.columns) == ["seed", "step", "episode", "turn", "depth"]
    first = table.groupby(["step", "episode"]).first()
    assert list(first.index) == [(step, episode) for step in (0, 50) for episode in range(3)]
    assert first["turn"].tolist() == [1] * 6
    assert first["depth"].tolist() == [1] * 6


def test_pi_star_is_measured_once_and_seeds_take_over_their_own_start_states(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    measured = replace(
        run, method="pi_star", seeds=(0,), state=tmp_path / "pi_state", output=tmp_path / "evaluate"
    )
    measured.state.mkdir()
    options = experiment(**EVALUATE | {"episodes": 1, "pi_star_episodes": 5})
    evaluate_pi_star(options, measured)
    pi_star = pd.read_parquet(measured.output / "episodes.parquet")
    games = pi_star[pi_star["measure"] == "return"]
    assert games.groupby("probe").size().to_dict() == dict.fromkeys(
        ("level_1", "level_4", "sokoban", "final"), 5
    )
    assert games[games["probe"] == "level_4"]["start"].tolist() == [0, 1, 0, 1, 0]
    assert set(games[games["probe"] == "final"]["start"]) == {-1}

    run.parents = {**run.parents, "evaluate": measured.output}
    step_0 = run.parents["finetune"] / "milestones" / "step_0.safetensors"
    weights = read_tensors(run.parents["pretrain"] / "policy.safetensors")
    write_tensors(step_0, {"baseline.bias": weights["baseline.bias"] + 1.0})  # a critic of its own
    evaluate(options, run)
    table = pd.read_parquet(run.output / "episodes.parquet")
    assert set(table["method"]) == {"vanilla"}
    assert set(table["seed"]) == {3}
    own = table[(table["step"] == 0) & (table["probe"] == "level_4") & (table["measure"] == "return")]
    assert own["start"].tolist() == [1, 1]  # seed 3, with one start state a seed, has the second of two
    expected = games[(games["probe"] == "level_4") & (games["start"] == 1)]["value"]
    assert own["value"].tolist() == expected.tolist()
    final = table[(table["probe"] == "final") & (table["measure"] == "return")]
    assert final.groupby("step").size().to_dict() == {0: 5, 50: 3}
    assert len(pd.read_parquet(run.output / "dungeon.parquet").groupby(["step", "episode"])) == 5 + 3


def test_completed_milestones_are_not_played_again(made: Path, tmp_path: Path) -> None:
    run = make_run(tmp_path)
    kept = pd.read_parquet(made / "state" / "step_0" / "episodes.parquet").assign(value=-7.0)
    (run.state / "step_0").mkdir()
    kept.to_parquet(run.state / "step_0" / "episodes.parquet")
    pd.read_parquet(made / "state" / "step_0" / "dungeon.parquet").to_parquet(
        run.state / "step_0" / "dungeon.parquet"
    )
    evaluate(experiment(**EVALUATE), run)
    table = pd.read_parquet(run.output / "episodes.parquet").sort_values(KEY)
    whole = pd.read_parquet(made / "output" / "episodes.parquet").sort_values(KEY)
    assert (table[table["step"] == 0]["value"] == -7.0).all()
    assert table[table["step"] == 50]["value"].tolist() == whole[whole["step"] == 50]["value"].tolist()


def test_no_divergence_is_measured_for_a_network_with_another_encoder(tmp_path: Path) -> None:
    run = make_run(tmp_path, method="scratch", own_encoder=True)
    evaluate(experiment(**EVALUATE | {"final_episodes": 1, "sokoban_episodes": 0}), run)
    table = pd.read_parquet(run.output / "episodes.parquet")
    assert "kl_divergence" not in set(table["measure"])
    assert "sokoban" not in set(table["probe"])


def test_a_run_without_milestones_is_rejected(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    for path in (tmp_path / "finetune" / "milestones").iterdir():
        path.unlink()
    with pytest.raises(ValueError, match=r"finetune/milestones holds no step_<n>.safetensors"):
        evaluate(experiment(**EVALUATE), run)


def constant_policy(bias: Tensor) -> NetHackNetwork:
    """A network whose logits are ``bias`` everywhere."""
    network = NetHackNetwork.seeded(NETWORK, 0)
    with torch.no_grad():
        network.policy.weight.zero_()
        network.policy.bias.copy_(bias)
    return network


def test_the_divergence_of_known_distributions() -> None:
    data = games_of_expert()
    data["outputs"] = torch.full((12, 121), -1e4)
    data["outputs"][:, :2] = torch.tensor([np.log(3.0), 0.0])  # 3/4, 1/4
    bias = torch.full((121,), -1e4)
    bias[:2] = 0.0  # 1/2, 1/2
    expected = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
    found = divergence(constant_policy(bias), data)
    assert found.numpy() == pytest.approx([expected] * 12, rel=1e-5)
    bias[0] = np.log(3.0)
    assert divergence(constant_policy(bias), data).numpy() == pytest.approx([0.0] * 12, abs=1e-6)


def test_the_divergence_resets_the_recurrent_state_at_each_game() -> None:
    network, data = NetHackNetwork.seeded(NETWORK, 0), games_of_expert()
    second = {name: value[5:] for name, value in data.items()}
    whole = divergence(network, data)
    assert whole[5:].numpy() == pytest.approx(divergence(network, second).numpy(), rel=1e-5)


def test_the_divergence_is_averaged_per_game_and_group() -> None:
    network, data = NetHackNetwork.seeded(NETWORK, 0), games_of_expert()
    values = divergence(network, data).numpy()
    rows = {
        (row["group"], row["episode"]): row for row in divergence_rows(data, divergence(network, data), 4)
    }
    assert set(rows) == {("close", 0), ("close", 1), ("far", 1)}
    assert rows["close", 1]["value"] == pytest.approx(values[[5, 6, 11]].mean())
    assert rows["far", 1]["value"] == pytest.approx(values[[8, 9, 10]].mean())
    assert rows["far", 1]["probe"] == "level_4"


def test_games_walked_side_by_side_have_the_divergence_of_each_alone() -> None:
    network, data = NetHackNetwork.seeded(NETWORK, 0), games_of_expert(300)
    data["starts"][[40, 41, 200]] = True  # games of 5, 35, 1, 159 and 100 steps, walked 64 steps at a time
    values = divergence(network, data)
    for begin, end in bounds_of(data["starts"]):
        alone = divergence(network, {name: value[begin:end] for name, value in data.items()})
        assert values[begin:end].numpy() == pytest.approx(alone.numpy(), rel=1e-4)


def test_the_divergence_is_measured_on_the_first_steps_of_each_game() -> None:
    network, data = NetHackNetwork.seeded(NETWORK, 0), games_of_expert()
    short = shortened(data, 4)
    assert short["starts"].nonzero().flatten().tolist() == [0, 4]
    assert short["depth"].tolist() == [1, 1, 1, 1, 1, 1, 2, 4]
    whole, values = divergence(network, data), divergence(network, short)
    assert values.numpy() == pytest.approx(whole[[0, 1, 2, 3, 5, 6, 7, 8]].numpy(), rel=1e-5)
    rows = {(row["group"], row["episode"]): row["value"] for row in divergence_rows(short, values, 4)}
    assert set(rows) == {("close", 0), ("close", 1), ("far", 1)}
    assert rows["far", 1] == pytest.approx(whole[8].item(), rel=1e-5)  # of steps 8 to 10, one is left
    assert all(torch.equal(value, data[name]) for name, value in shortened(data, None).items())


def test_an_encoder_that_stays_frozen_is_run_once(monkeypatch: pytest.MonkeyPatch) -> None:
    data = {name: value for name, value in games_of_expert().items() if name != "features"} | screens(12)
    policies = [NetHackNetwork.seeded(NETWORK, seed) for seed in (0, 0, 1)]
    with torch.no_grad():
        policies[1].core.weight_hh_l0 += 0.5  # what is trained
    alone = [Divergence(data, 4).rows(network, lambda: None) for network in policies]
    assert alone[0] != alone[1]
    encoded: list[NetHackNetwork] = []
    plain = NetHackNetwork.encode

    def counted(network: NetHackNetwork, observations: Mapping[str, Tensor]) -> Tensor:
        encoded.append(network)
        return plain(network, observations)

    monkeypatch.setattr(NetHackNetwork, "encode", counted)
    measured = Divergence(data, 4)
    assert [measured.rows(network, lambda: None) for network in policies] == alone
    assert encoded == [policies[0], policies[2]]


def screens(steps: int) -> dict[str, Tensor]:
    """Observations."""
    generator = torch.Generator().manual_seed(1)

    def drawn(least: int, most: int, *shape: int) -> Tensor:
        return torch.randint(least, most, (steps, *shape), generator=generator, dtype=torch.uint8)

    return {
        "tty_chars": drawn(32, 127, 24, 80),
        "tty_colors": drawn(0, 16, 24, 80),
        "tty_cursor": drawn(1, 21, 2),
        "previous_action": drawn(0, 121, 1),
    }


def test_observations_and_their_features_give_the_same_divergence(tmp_path: Path) -> None:
    network, data = NetHackNetwork.seeded(NETWORK, 0).eval(), games_of_expert()
    seen = screens(12)
    with torch.inference_mode():
        data["features"] = network.encode(seen)
    observed = {name: data[name] for name in ("outputs", "starts", "depth")} | seen
    write_tensors(tmp_path / "divergence.safetensors", observed)
    read = read_divergence_data(tmp_path / "divergence.safetensors")
    found = divergence(network, with_features(network, read))
    assert found.numpy() == pytest.approx(divergence(network, data).numpy(), rel=1e-4)


def test_broken_divergence_data_are_refused(tmp_path: Path) -> None:
    data = games_of_expert()
    path = tmp_path / "divergence.safetensors"
    write_tensors(path, {name: value for name, value in data.items() if name != "depth"})
    with pytest.raises(ValueError, match=r"divergence.safetensors: missing tensor depth; run collect again"):
        read_divergence_data(path)
    write_tensors(path, data | {"depth": data["depth"][:3]})
    with pytest.raises(ValueError, match=r"one row per step, not starts 12, depth 3, features 12"):
        read_divergence_data(path)


def test_the_plan_counts_the_steps_of_the_divergence() -> None:
    options = experiment(**EVALUATE, divergence_steps=5)  # 20 games of AutoAscend, up to 100,000 steps
    milestones = len(options.finetune.milestones())
    per_milestone = 2 * 12 + 2 * 6 + 1 * 6 + 20 * 5
    assert DOMAIN.training_steps(options, "evaluate") == {
        "environment_steps": milestones * per_milestone + 2 * 3 * 12,
        "updates": 0,
        "episodes": milestones * 5 + 2 * 3,
    }
    assert DOMAIN.pi_star_steps(options) == {
        "environment_steps": 3 * (12 + 6 + 6 + 12) + 20 * 5,
        "updates": 0,
        "episodes": 4 * 3,
    }
    more = experiment(**EVALUATE, divergence_steps=5, final_far_episodes=7)
    assert DOMAIN.training_steps(more, "evaluate") == {
        "environment_steps": milestones * per_milestone + 2 * 3 * 12 + 3 * 5 * 6,
        "updates": 0,
        "episodes": milestones * 5 + 2 * 3 + 3 * 5,
    }
    unlimited = options.evaluate.model_copy(update={"divergence_steps": None})
    whole = DOMAIN.pi_star_steps(options.model_copy(update={"evaluate": unlimited}))
    assert whole["environment_steps"] == 3 * 36 + 20 * 100_000
