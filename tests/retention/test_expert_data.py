"""Reading and sampling expert data."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fpc.core.files import write_tensors
from fpc.retention.expert_data import ExpertDataset


def tensors(size: int = 6) -> dict[str, torch.Tensor]:
    numbers = torch.arange(size, dtype=torch.float32)
    return {
        "observations": numbers[:, None].repeat(1, 3),
        "outputs": numbers[:, None] * 10,
        "stage": torch.arange(size),
        "action": numbers[:, None] + 100,
        "reward": numbers,
        "next_observations": numbers[:, None].repeat(1, 3) + 1,
        "terminated": torch.zeros(size),
    }


def test_sampled_outputs_belong_to_their_observations() -> None:
    batch = ExpertDataset(tensors()).sampler(50, torch.Generator().manual_seed(0)).sample()
    assert batch.observations.shape == (50, 3)
    torch.testing.assert_close(batch.outputs[:, 0], batch.observations[:, 0] * 10)
    assert len(set(batch.outputs[:, 0].tolist())) > 3


def test_samples_depend_only_on_the_generator() -> None:
    data = ExpertDataset(tensors())
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 1, 2)]
    first, again, other = (data.sampler(20, generator) for generator in generators)
    observations = first.sample().observations
    assert torch.equal(again.sample_observations(), observations)
    assert not torch.equal(other.sample().observations, observations)
    generators[0].manual_seed(1)  # the generator is the only state
    assert first.state_dict() == {}
    assert torch.equal(first.sample().observations, observations)


def test_runs_side_by_side() -> None:
    data = ExpertDataset({"observations": torch.rand(4, 6, 1), "outputs": torch.rand(4, 6, 2)})
    assert len(data) == 6
    assert data.sampler(9, torch.Generator()).sample().outputs.shape == (4, 9, 2)
    assert data.restricted(2).sampler(1, torch.Generator()).sample_observations().shape == (4, 1, 1)


def test_restricted_takes_the_first_states() -> None:
    data = ExpertDataset(tensors())
    memory = data.restricted(2)
    assert (len(memory), len(data)) == (2, 6)
    assert memory.transitions()["reward"].tolist() == [0.0, 1.0]


def test_transitions_are_renamed() -> None:
    transitions = ExpertDataset(tensors()).transitions()
    assert set(transitions) == {"observation", "action", "reward", "next_observation", "terminated"}
    assert torch.equal(transitions["next_observation"], transitions["observation"] + 1)


def test_bad_data_is_rejected() -> None:
    with pytest.raises(ValueError, match="lacks outputs"):
        ExpertDataset({"observations": torch.zeros(2, 1)})
    with pytest.raises(ValueError, match="same number"):
        ExpertDataset({**tensors(), "reward": torch.zeros(3)})
    with pytest.raises(ValueError, match="memory_size is 7"):
        ExpertDataset(tensors()).restricted(7)
    states_only = {name: value for name, value in tensors().items() if name in ("observations", "outputs")}
    with pytest.raises(ValueError, match="no transitions: action"):
        ExpertDataset(states_only).transitions()


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "expert.safetensors"
    write_tensors(path, tensors())
    assert torch.equal(ExpertDataset.read(path).tensors["stage"], torch.arange(6))
    with pytest.raises(ValueError, match="sha256"):
        ExpertDataset.read(path, sha256="0" * 64)
