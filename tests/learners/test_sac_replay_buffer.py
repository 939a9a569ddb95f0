"""The replay buffer: its ring, its protected part, its batches."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fpc.learners.sac.replay_buffer import ReplayBuffer


def filled(capacity: int, added: int, protected: int = 0, share: float | None = None) -> ReplayBuffer:
    """A buffer whose rewards tell the rows apart: -1, -2, ... protected, 0, 1, ... added."""
    buffer = ReplayBuffer(capacity, 2, 1)
    if protected:
        zeros = torch.zeros(protected, 2)
        transitions = {
            "observation": zeros,
            "action": zeros[:, :1],
            "reward": -1 - torch.arange(protected).float(),
            "next_observation": zeros,
            "terminated": zeros[:, 0],
        }
        buffer.protect(transitions, share)
    for number in range(added):
        here, there = np.full(2, number, np.float32), np.full(2, number + 1, np.float32)
        buffer.add(here, np.array([0.5], np.float32), number, there, number % 2 == 1)
    return buffer


def test_ring_overwrites_the_oldest_and_never_the_protected() -> None:
    buffer = filled(capacity=5, added=7, protected=2)
    assert buffer.size == 5
    assert buffer.rows[:, -2].tolist() == [-1, -2, 6, 4, 5]
    assert filled(capacity=5, added=7).rows[:, -2].tolist() == [5, 6, 2, 3, 4]


def test_fields_come_back_as_they_went_in() -> None:
    batch = filled(capacity=9, added=6).sample(200, torch.Generator().manual_seed(0))
    assert set(batch.rewards.tolist()) == {0, 1, 2, 3, 4, 5}
    assert torch.equal(batch.observations, batch.rewards[:, None].expand(-1, 2))
    assert torch.equal(batch.next_observations, batch.observations + 1)
    assert torch.equal(batch.terminals, batch.rewards % 2)
    assert batch.actions.unique().tolist() == [0.5]


@pytest.mark.parametrize(("share", "low", "high"), [(0.25, 32, 32), (None, 40, 90)])
def test_protected_share_of_a_batch(share: float | None, low: int, high: int) -> None:
    """A share is exact; without one, 10 of 20 rows are protected, so half the draws."""
    buffer = filled(capacity=30, added=10, protected=10, share=share)
    batch = buffer.sample(128, torch.Generator().manual_seed(0))
    assert low <= int((batch.rewards < 0).sum()) <= high


def test_protected_share_while_nothing_else_is_there() -> None:
    batch = filled(capacity=30, added=0, protected=10, share=0.25).sample(16, torch.Generator())
    assert (batch.rewards < 0).all()


def test_protect_refuses_what_cannot_work() -> None:
    with pytest.raises(ValueError, match="before the replay buffer is filled"):
        filled(5, 1).protect(
            dict.fromkeys(
                ("observation", "action", "reward", "next_observation", "terminated"), torch.zeros(1, 2)
            ),
            None,
        )
    with pytest.raises(ValueError, match="raise buffer_size"):
        filled(capacity=4, added=0, protected=4)
    with pytest.raises(ValueError, match="between 0 and 1"):
        filled(capacity=4, added=0, protected=2, share=1.0)
    with pytest.raises(ValueError, match="lack reward"):
        ReplayBuffer(4, 2, 1).protect(
            dict.fromkeys(("observation", "action", "next_observation", "terminated"), torch.zeros(1, 2)),
            None,
        )
