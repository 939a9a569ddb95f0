"""A milestone holds what fine-tuning changed; with pi*'s weights it is whole again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fpc.core.files import read_tensors, write_tensors
from fpc.core.milestones import milestone_path, write_milestone
from fpc.domains.nethack.milestone_weights import changed_weights, complete_weights
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import load_policy

from .random_games import NETWORK


@pytest.fixture
def pi_star(tmp_path: Path) -> Path:
    """pi*, with counters of batch normalisation that are not 0."""
    weights = NetHackNetwork.seeded(NETWORK, 0).state_dict()
    counters = {name: value + 7 for name, value in weights.items() if name.endswith("num_batches_tracked")}
    assert counters
    write_tensors(tmp_path / "policy.safetensors", weights | counters)
    return tmp_path / "policy.safetensors"


def test_a_milestone_is_whole_with_pi_star(pi_star: Path, tmp_path: Path) -> None:
    base = read_tensors(pi_star)
    counter = next(name for name in base if name.endswith("num_batches_tracked"))
    new = {"core.weight_hh_l0": base["core.weight_hh_l0"] + 1, counter: base[counter] + 1}
    write_milestone(tmp_path, 50, changed_weights(base | new, base))
    path = milestone_path(tmp_path, 50)
    assert read_tensors(path).keys() == new.keys()
    found = complete_weights(path, pi_star)
    assert found.keys() == base.keys()
    assert all(torch.equal(found[name], (base | new)[name]) for name in base)
    assert torch.equal(
        load_policy(path, NETWORK, pi_star=pi_star).core.weight_hh_l0, new["core.weight_hh_l0"]
    )
    with pytest.raises(ValueError, match=r"step_50\.safetensors: missing tensor"):
        load_policy(path, NETWORK)


def test_a_milestone_that_is_pi_star_itself_is_empty(pi_star: Path, tmp_path: Path) -> None:
    base = read_tensors(pi_star)
    write_milestone(tmp_path, 0, changed_weights(base, base))
    path = milestone_path(tmp_path, 0)
    assert read_tensors(path) == {}
    loaded = load_policy(path, NETWORK, pi_star=pi_star).state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in base.items())


def test_weights_are_compared_bit_for_bit() -> None:
    zero = {"weight": torch.zeros(2), "count": torch.tensor(1)}
    assert changed_weights(zero, zero) == {}
    assert changed_weights({"weight": -torch.zeros(2), "count": torch.tensor(1)}, zero).keys() == {"weight"}
    assert changed_weights({"weight": torch.zeros(2, dtype=torch.float64)}, zero).keys() == {"weight"}
    assert changed_weights({"weight": torch.zeros(3)}, zero).keys() == {"weight"}
    assert changed_weights({"new": torch.zeros(2)}, zero).keys() == {"new"}
    nan = {"weight": torch.tensor([float("nan")])}
    assert changed_weights(nan, nan) == {}
