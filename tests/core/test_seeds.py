"""Seeds and streams: the numbers that published results depend on."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fpc.core.seeds import (
    generator_of,
    generators_of,
    named_generator,
    phase_word,
    rng_of,
    seed_of,
    seeds_of,
    short_seed_of,
    short_seeds_of,
    stream_of,
)

STREAMS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4)


def test_the_numbers_do_not_change() -> None:
    assert seed_of(3, 1, 4) == 1798932345466327501
    assert short_seed_of(3, 1) == 457190280
    assert seeds_of(0, 5, count=2) == [6102389744414414618, 5467956641542241313]
    assert rng_of(3, 1).integers(1000, size=3).tolist() == [978, 253, 579]
    assert named_generator(3, "finetune M=30,c=0.5").integers(1000, size=3).tolist() == [749, 245, 958]
    found = generators_of(3, uses=("first", "second"))
    assert [rng.initial_seed() for rng in found.values()] == [3244436091024797979, 3648882075009021433]
    assert generator_of(3, 1).initial_seed() == seed_of(3, 1)


@given(stream=STREAMS)
def test_seeds_depend_only_on_the_stream_and_are_in_range(stream: list[int]) -> None:
    long, short = seeds_of(*stream, count=3), short_seeds_of(*stream, count=3)
    assert long == seeds_of(*stream, count=3)
    assert all(0 <= seed < 2**63 for seed in long)
    assert all(0 <= seed < 2**32 for seed in short)
    assert seed_of(*stream) == long[0]
    torch.Generator().manual_seed(long[0])


@pytest.mark.parametrize("other", [(4, 1), (3, 2), (1, 3), (3, 1, 0, 1)])
def test_another_stream_has_another_seed(other: tuple[int, ...]) -> None:
    assert seed_of(3, 1) != seed_of(*other)
    assert not np.array_equal(rng_of(3, 1).random(4), rng_of(*other).random(4))


def test_named_generators_differ_by_name_and_seed() -> None:
    drawn = [named_generator(seed, name).random() for seed in (0, 1) for name in ("collect", "finetune")]
    assert len(set(drawn)) == 4


def test_the_phase_is_the_second_number_of_a_stream() -> None:
    words = {
        phase: sum(
            byte << 8 * place for place, byte in enumerate(hashlib.sha256(phase.encode()).digest()[:4])
        )
        for phase in ("pretrain", "critic", "collect", "finetune", "evaluate")
    }
    assert len(set(words.values())) == len(words)
    for phase, word in words.items():
        assert phase_word(phase) == word
        assert stream_of(3, phase) == (3, word)
        expected = np.random.SeedSequence([3, word, 7]).generate_state(1, np.uint64)[0] >> np.uint64(1)
        assert seed_of(*stream_of(3, phase), 7) == int(expected)
