"""Table 5's baselines: a retention term added to APPO from a random initialisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fpc.core.checkpoint import load_checkpoint
from fpc.core.files import read_tensors, write_tensors
from fpc.core.milestones import milestone_path
from fpc.domains.nethack.expert_sequences import ExpertSequence
from fpc.domains.nethack.recordings import index_recordings
from fpc.domains.nethack.sources import GAMES_FILE, write_game_list
from fpc.learners.appo.policies import RecurrentCategoricalPolicy
from fpc.learners.appo.train import TrainingFailed, train_job
from tests.domains.nethack.recorded_games import ALL_GAMES, record
from tests.learners.appo_job import job


@pytest.fixture(scope="module")
def pi_star(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pi_star")
    weights = job(folder, seed=8).make_network().state_dict()
    weights["policy.bias"] += torch.arange(len(weights["policy.bias"])) / 20  # pi* has preferences
    write_tensors(folder / "policy.safetensors", weights)
    return folder / "policy.safetensors"


def trained(folder: Path, pi_star: Path, method: str, options: dict[str, Any], **more: Any) -> Any:
    work = job(
        folder, steps=64, trainable="all", teacher=str(pi_star), milestones=(0, 64),
        method=method, options=options, **more,
    )  # fmt: skip
    table = train_job(work, lambda step, total, **measures: None).table
    first, last = (read_tensors(milestone_path(Path(work.state), step)) for step in (0, 64))
    own = work.make_network().state_dict()
    assert all(torch.equal(value, own[name]) for name, value in first.items())  # not pi*'s
    moved = {name for name in first if not torch.equal(first[name], last[name])}
    assert any(name.startswith("core.") for name in moved)
    assert any(not name.startswith(("core.", "policy.", "baseline.")) for name in moved)  # the encoder
    checkpoint = load_checkpoint(work.checkpoints)
    assert checkpoint is not None
    return table.set_index("metric")["value"]


def test_kickstarting_from_scratch_is_taught_by_pi_star(tmp_path: Path, pi_star: Path) -> None:
    measures = trained(tmp_path, pi_star, "scratch_kickstarting", {"coefficient": 1.0})
    assert float(measures["penalty"]) > 0.1  # nats, in the first update: pi* is another policy


def test_cloning_from_scratch_reads_the_experts_games(tmp_path: Path, pi_star: Path) -> None:
    record(tmp_path / "games" / "monks", [1, 2, 3], steps=50)
    recordings = index_recordings(tmp_path / "games", tmp_path / "games.db", ALL_GAMES)
    write_game_list(tmp_path / GAMES_FILE, recordings)
    expert = {
        "expert": "fpc.domains.nethack.expert_sequences:open_sequences",
        "expert_arguments": {"folder": str(tmp_path)},
    }
    options = {"coefficient": 1.0, "batch_size": 16}
    measures = trained(tmp_path, pi_star, "scratch_behavioral_cloning", options, **expert)
    assert float(measures["penalty"]) > 0.1


def test_a_method_that_needs_pi_star_is_refused_without_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="kickstarting needs pi\\*"):
        train_job(job(tmp_path, method="kickstarting", options={"coefficient": 1.0}), lambda *_, **__: None)


def test_expert_data_do_not_move_the_statistics_of_a_trained_encoder(tmp_path: Path) -> None:
    work = job(tmp_path)
    network: Any = work.make_network().train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    environment = work.make_environment(0)
    observation, _ = environment.reset()
    given = {name: torch.from_numpy(value)[None, None] for name, value in observation.items()}
    environment.close()
    policy = RecurrentCategoricalPolicy(network, trains_encoder=True)
    policy.outputs(ExpertSequence(torch.ones(1, 1, dtype=torch.bool), given)).sum().backward()
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    encoder = [value for name, value in network.named_parameters() if name.startswith("screen")]
    assert encoder
    assert any(value.grad is not None and value.grad.abs().sum() > 0 for value in encoder)
