"""The expert's games as expert data: seeded order, and samplers that do not affect each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from fpc.domains.nethack.expert_sequences import StoredSequences
from fpc.learners.appo.expert_sequences import ExpertSequences
from fpc.learners.appo.policies import RecurrentCategoricalPolicy
from fpc.workflow.trying.students import Network
from tests.domains.nethack.test_collecting import numbered

LENGTHS = [5, 3, 4, 6, 2]


def games() -> ExpertSequences:
    """Five games whose features number all steps, in sequences of 2."""
    stored = numbered(LENGTHS)

    def open_stored(streams: int, length: int, seed: int, limit: int | None) -> StoredSequences:
        return StoredSequences(stored, streams, length, seed, limit)

    return ExpertSequences(open_stored, RecurrentCategoricalPolicy(Network(seed=1), False), 2)


def steps_of(sampler: Any, batches: int = 10) -> list[float]:
    return torch.cat([sampler.sample().observations.features.flatten() for _ in range(batches)]).tolist()


def test_the_order_depends_on_the_generators_seed_and_draws_nothing() -> None:
    generators = [torch.Generator().manual_seed(seed) for seed in (7, 7, 8)]
    torch.rand(3, generator=generators[1])  # its state does not matter, its seed does
    states = [generator.get_state() for generator in generators]
    first, again, other = (steps_of(games().sampler(2, generator)) for generator in generators)
    assert first == again
    assert first != other
    assert sorted(first) == list(range(sum(LENGTHS)))
    for generator, state in zip(generators, states, strict=True):
        assert torch.equal(generator.get_state(), state)


def test_a_resumed_generator_keeps_its_seed() -> None:
    generator = torch.Generator().manual_seed(7)
    torch.rand(3, generator=generator)
    resumed = torch.Generator().manual_seed(1)
    resumed.set_state(generator.get_state())
    assert resumed.initial_seed() == 7


def test_samplers_of_the_same_data_are_independent() -> None:
    data = games()
    one, other = (data.sampler(4, torch.Generator().manual_seed(7)) for _ in range(2))
    steps_of(other, 3)
    memory = data.restricted(8)
    assert set(steps_of(memory.sampler(4, torch.Generator().manual_seed(7)))) == set(range(8))
    assert steps_of(one) == steps_of(data.sampler(4, torch.Generator().manual_seed(7)))


def test_impossible_batches_are_rejected() -> None:
    with pytest.raises(ValueError, match="3 expert steps is not a multiple of the sequence length 2"):
        games().sampler(3, torch.Generator())
    with pytest.raises(ValueError, match="no replay buffer"):
        games().transitions()


def test_the_experts_actions_follow_the_steps() -> None:
    """Step n of the games has action n mod 3; they come in the order of the outputs, time before stream."""
    batch = games().sampler(4, torch.Generator().manual_seed(7)).sample()
    assert batch.actions is not None
    assert batch.actions.dtype == torch.int64
    assert batch.actions.tolist() == [int(step) % 3 for step in batch.outputs.flatten().tolist()]
