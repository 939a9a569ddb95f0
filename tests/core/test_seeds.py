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
    words_of,
)

STREAMS = st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=4)


def test_the_numbers_do_not_change() -> None:
    assert seed_of(3, 1, 4) == 7382972155290264408
    assert short_seed_of(3, 1) == 2122932171
    assert seeds_of(0, 5, count=2) == [2386186319738074030, 4543777030679275459]
    assert rng_of(3, 1).integers(1000, size=3).tolist() == [354, 469, 412]
    assert named_generator(3, "finetune M=30,c=0.5").integers(1000, size=3).tolist() == [749, 245, 958]
    found = generators_of(3, uses=("first", "second"))
    assert [rng.initial_seed() for rng in found.values()] == [485160162170122974, 2561474267544399602]
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


def test_words_by_hand() -> None:
    assert words_of(3, 2**32 * 5 + 1) == [3, 0, 1, 5, 2]
    assert words_of(3, 1, 5) == [3, 0, 1, 0, 5, 0, 3]


@pytest.mark.parametrize("stream", [(), (-1,), (3, 2**64)])
def test_other_streams_are_refused(stream: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"integers from 0 to 2\^64 - 1"):
        seed_of(*stream)


@given(stream=STREAMS, other=STREAMS, zeros=st.integers(1, 4))
def test_different_streams_share_no_seed(stream: list[int], other: list[int], zeros: int) -> None:
    """Least of all with zeros at the end, or where the parts of a long integer are integers of their own."""
    low, high = stream[0] % 2**32, stream[0] >> 32
    for different in (other, stream + [0] * zeros, [low, high, *stream[1:]]):
        if different != stream:
            ours, theirs = (short_seeds_of(*numbers, count=4) for numbers in (stream, different))
            assert ours != theirs
            assert seed_of(*stream) != seed_of(*different)
            assert rng_of(*stream).random() != rng_of(*different).random()
            assert generator_of(*stream).initial_seed() != generator_of(*different).initial_seed()


def test_the_first_episode_does_not_share_its_seed_with_the_initialisation() -> None:
    stream = stream_of(3, "finetune")
    initialisation = generators_of(*stream, uses=("initialisation",))["initialisation"].initial_seed()
    assert short_seed_of(*stream, 0) != initialisation % 2**32


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
        expected = np.random.SeedSequence([3, 0, word, 0, 7, 0, 3]).generate_state(1, np.uint64)[
            0
        ] >> np.uint64(1)
        assert seed_of(*stream_of(3, phase), 7) == int(expected)
