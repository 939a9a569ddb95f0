"""NetHack's games and the divergence from pi* on a pretended GPU: what the CPU computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fpc.core.device import Device
from fpc.core.files import write_tensors
from fpc.domains.nethack.divergence import Divergence
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import Rollouts, load_policy
from fpc.domains.nethack.rollout import EpisodeRecord, Planned, new_episodes
from tests.domains.nethack.random_games import NETWORK, task
from tests.domains.nethack.test_evaluation import games_of_expert, screens
from tests.pretended_cuda import pretended_cuda

BATCH = 8  # also the padding on the CPU, so that both round alike


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    network = NetHackNetwork.seeded(NETWORK, 0)
    with torch.no_grad():
        network.policy.bias[:16] += 20.0  # mostly moves, so that games differ
    write_tensors(tmp_path / "policy.safetensors", network.state_dict())
    return tmp_path / "policy.safetensors"


def played(policy: Path, device: Device) -> dict[int, EpisodeRecord]:
    short = task(max_steps=30, no_progress_limit=4)
    games = [(policy, Planned(episode, short)) for episode in new_episodes(1, "level_1", 12)]
    with Rollouts(NETWORK, BATCH, device=device) as rollouts:
        return dict(rollouts.play(games))


def test_games_are_those_of_the_cpu(policy: Path) -> None:
    expected = played(policy, "cpu")
    with pretended_cuda():
        assert played(policy, "cuda") == expected
    assert len({record.steps for record in expected.values()}) > 2  # places are filled again


def test_the_divergence_is_that_of_the_cpu(policy: Path) -> None:
    data = {name: value for name, value in games_of_expert(150).items() if name != "features"} | screens(150)
    expected = Divergence(data, 4).rows(load_policy(policy, NETWORK), lambda: None)
    with pretended_cuda():
        assert Divergence(data, 4).rows(load_policy(policy, NETWORK, "cuda"), lambda: None) == expected
    assert {row["group"] for row in expected} == {"close", "far"}
