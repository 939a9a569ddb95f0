"""Table 5's baselines: a retention term added to APPO from a random initialisation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from fpc.core.files import read_tensors, write_tensors
from fpc.core.milestones import milestone_path
from fpc.domains.nethack.expert_sequences import ExpertSequence
from fpc.learners.appo.policies import RecurrentCategoricalPolicy
from fpc.learners.appo.train import TrainingFailed, train_job
from tests.learners.appo_job import job, streamed_games


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
    return table.set_index("metric")["value"]


def test_kickstarting_from_scratch_is_taught_by_pi_star(tmp_path: Path, pi_star: Path) -> None:
    measures = trained(tmp_path, pi_star, "scratch_kickstarting", {"coefficient": 1.0})
    assert float(measures["penalty"]) > 0.1  # nats, in the first update: pi* is another policy


def test_cloning_from_scratch_reads_the_experts_games(tmp_path: Path, pi_star: Path) -> None:
    expert = streamed_games(tmp_path)
    options = {"coefficient": 1.0, "batch_size": 16}
    measures = trained(tmp_path, pi_star, "scratch_behavioral_cloning", options, **expert)
    assert float(measures["penalty"]) > 0.1


def test_a_method_that_needs_pi_star_is_refused_without_it(tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match="kickstarting needs pi\\*"):
        train_job(job(tmp_path, method="kickstarting", options={"coefficient": 1.0}), lambda *_, **__: None)


def network_and_observation(folder: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    """A network, and the first observation of a game as a sequence of one step."""
    work = job(folder)
    environment = work.make_environment(0)
    observation, _ = environment.reset()
    environment.close()
    given = {name: torch.from_numpy(value)[None, None] for name, value in observation.items()}
    return work.make_network(), given


def test_expert_data_do_not_move_the_statistics_of_a_trained_encoder(tmp_path: Path) -> None:
    network, given = network_and_observation(tmp_path)
    network.train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    policy = RecurrentCategoricalPolicy(network, trains_encoder=True)
    policy.outputs(ExpertSequence(torch.ones(1, 1, dtype=torch.bool), given)).sum().backward()
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    encoder = [value for name, value in network.named_parameters() if name.startswith("screen")]
    assert encoder
    assert any(value.grad is not None and value.grad.abs().sum() > 0 for value in encoder)


def test_a_frozen_encoder_leaves_the_lstm_in_training_mode(tmp_path: Path) -> None:
    """On a GPU an LSTM has gradients in training mode only; EWC's Fisher information needs them."""
    network, given = network_and_observation(tmp_path)
    network.freeze_encoder()
    network.eval()
    network.core.train()
    policy = RecurrentCategoricalPolicy(network, trains_encoder=False)
    policy.outputs(ExpertSequence(torch.ones(1, 1, dtype=torch.bool), given))
    assert network.core.training
    assert not network.training
