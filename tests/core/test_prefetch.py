"""Batches read ahead are the source's own; the position is that of the batches handed out."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Mapping

import pytest
import torch
from torch import Tensor

from fpc.core.prefetch import Prefetched


class Squares:
    """The squares 0, 1, 4, ...; reading number ``fails_at`` fails."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.position, self.fails_at = 0, fails_at
        self.threads: list[int] = []

    def next(self) -> int:
        self.threads.append(threading.get_ident())
        if self.position == self.fails_at:
            raise ValueError(f"games.ttyrec: step {self.position} cannot be read")
        self.position += 1
        return (self.position - 1) ** 2

    def state_dict(self) -> dict[str, Tensor]:
        return {"position": torch.tensor(self.position)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        self.position = int(state["position"])


def wait_for(source: Squares, position: int) -> None:
    """Wait until the source is at ``position``."""
    deadline = time.monotonic() + 10
    while source.position != position:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_batches_are_read_ahead_in_another_thread_and_the_position_is_not() -> None:
    source = Squares()
    ahead = Prefetched(source)
    assert source.threads == []
    assert int(ahead.state_dict()["position"]) == 0
    assert [ahead.next() for _ in range(4)] == [0, 1, 4, 9]
    wait_for(source, 5)
    assert int(ahead.state_dict()["position"]) == 4
    assert threading.get_ident() not in source.threads
    ahead.close()


def test_a_restored_position_drops_what_was_read_ahead() -> None:
    ahead = Prefetched(Squares())
    states = []
    for _ in range(6):
        ahead.next()
        states.append(ahead.state_dict())
    resumed = Prefetched(Squares())
    resumed.load_state_dict(states[2])
    assert [resumed.next() for _ in range(2)] == [9, 16]
    ahead.load_state_dict(states[0])
    assert int(ahead.state_dict()["position"]) == 1
    assert [ahead.next() for _ in range(3)] == [1, 4, 9]
    ahead.close()
    resumed.close()


def test_an_error_is_raised_where_its_batch_is_due_and_again() -> None:
    ahead = Prefetched(Squares(fails_at=2))
    assert [ahead.next() for _ in range(2)] == [0, 1]
    for _ in range(2):
        with pytest.raises(ValueError, match="step 2 cannot be read"):
            ahead.next()
    assert int(ahead.state_dict()["position"]) == 2
    ahead.load_state_dict({"position": torch.tensor(1)})
    assert ahead.next() == 1
    ahead.close()


def test_the_thread_ends_when_closed_and_when_no_longer_used() -> None:
    def threads() -> set[threading.Thread]:
        return {thread for thread in threading.enumerate() if thread.name.startswith("prefetch")}

    before = threads()
    source = Squares()
    closed, unused = Prefetched(source), Prefetched(Squares())
    closed.next(), unused.next()
    assert len(threads() - before) == 2
    wait_for(source, 2)  # else closing cancels the reading ahead
    closed.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        closed.next(), closed.next()
    del unused
    gc.collect()
    deadline = time.monotonic() + 10
    while threads() - before:
        assert time.monotonic() < deadline
        time.sleep(0.01)
