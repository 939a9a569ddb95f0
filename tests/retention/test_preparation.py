"""The Fisher information from batches continues with the same bits after a stop at any batch."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fpc.core import interruption
from fpc.core.checkpoint import NoUsableCheckpoint
from fpc.domains.nethack.expert_sequences import StoredSequences
from fpc.learners.appo.expert_sequences import ExpertSequences, SequenceSampler
from fpc.learners.appo.policies import RecurrentCategoricalPolicy, Sequences
from fpc.retention.batch_fisher import batch_fisher
from fpc.retention.interface import Preparation
from fpc.workflow.trying.students import Network

BATCHES, STEPS, LENGTH = 7, 240, 4


class Stopped(Exception):
    """Ends the work, as a kill would."""


class Counted(SequenceSampler):
    """Counts the batches that are read."""

    read = 0

    def sample_observations(self) -> Sequences:
        self.read += 1
        return super().sample_observations()


def make() -> tuple[RecurrentCategoricalPolicy, Counted]:
    """An LSTM policy, and a sampler of games that go on from batch to batch."""
    policy = RecurrentCategoricalPolicy(Network(seed=1), trains_encoder=False)
    stored = {
        "features": torch.randn(STEPS, 2, generator=torch.Generator().manual_seed(2)),
        "starts": torch.arange(STEPS) % 11 == 0,
    }
    stored |= {name: torch.zeros(STEPS, 3) for name in ("outputs", "actions", "depth")}

    def open_stored(streams: int, length: int, seed: int, limit: int | None) -> StoredSequences:
        return StoredSequences(stored, streams, length, seed, limit)

    made = ExpertSequences(open_stored, policy, LENGTH).sampler(8, torch.Generator().manual_seed(3))
    return policy, Counted(made.source, policy)


def fisher(
    folder: Path | None, stop_at: int | None = None, seconds: float = 0.0
) -> tuple[Mapping[str, Tensor], int]:
    """The estimate and the number of batches read; stops when ``stop_at`` batches are done."""
    policy, sampler = make()

    def report(done: int, total: int) -> None:
        assert total == BATCHES
        if done == stop_at:
            raise Stopped

    preparation = None if folder is None else Preparation(folder, seconds, report)
    return batch_fisher(policy, sampler, BATCHES, 0.5, preparation), sampler.read


@pytest.mark.parametrize("stop", [1, 3, 6])
def test_a_stop_at_any_batch_changes_no_bit(tmp_path: Path, stop: int) -> None:
    whole, _ = fisher(None)
    with pytest.raises(Stopped):
        fisher(tmp_path, stop_at=stop)
    resumed, read = fisher(tmp_path)
    assert read == BATCHES - (stop - 1)  # the report comes before the sums with that batch are saved
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)
    assert min(value.abs().max() for value in whole.values()) > 0
    again, read = fisher(tmp_path)
    assert read == 0
    assert all(torch.equal(again[name], whole[name]) for name in whole)


def test_sums_are_saved_after_a_while_and_at_the_end(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        fisher(tmp_path, stop_at=6, seconds=1e6)
    assert not list(tmp_path.iterdir())
    fisher(tmp_path, seconds=1e6)
    assert [path.stem for path in tmp_path.glob("*.json")] == [f"checkpoint_{BATCHES:012d}"]


def test_a_signal_saves_the_sums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interruption, "_received", None)  # restored afterwards
    handlers = {number: signal.getsignal(number) for number in interruption.SIGNALS}
    policy, sampler = make()

    def report(done: int, total: int) -> None:
        if done == 4:
            os.kill(os.getpid(), signal.SIGTERM)

    interruption.install()
    try:
        with pytest.raises(interruption.Interrupted), interruption.deferred():
            batch_fisher(policy, sampler, BATCHES, 0.5, Preparation(tmp_path, 1e6, report))
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    assert sampler.read == 4
    monkeypatch.setattr(interruption, "_received", None)
    resumed, read = fisher(tmp_path)
    assert read == BATCHES - 4
    whole, _ = fisher(None)
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_unreadable_sums_are_an_error(tmp_path: Path) -> None:
    fisher(tmp_path)
    for path in tmp_path.glob("*.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(NoUsableCheckpoint, match="delete the folder"):
        fisher(tmp_path)
