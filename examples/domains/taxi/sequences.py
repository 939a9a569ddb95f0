"""pi*'s games as sequences for APPO's LSTM policies (:mod:`fpc.learners.appo.expert_sequences`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fpc.core.files import read_tensors


@dataclass(frozen=True)
class TaxiSequences:
    """See :class:`fpc.learners.appo.policies.Sequences`."""

    starts: Tensor
    observations: Mapping[str, Tensor]
    outputs: Tensor
    features: None = None
    actions: None = None


class GameStreams:
    """Streams that read the recorded games in order, each from a random one on, again and again.

    Args:
        recorded: ``starts`` bool ``[N]``, ``observations`` ``[N, 19]`` and ``outputs`` ``[N, 6]``.
        streams: number of streams.
        length: steps of a sequence.
        seed: determines where the streams begin.
    """

    def __init__(self, recorded: Mapping[str, Tensor], streams: int, length: int, seed: int) -> None:
        self.recorded, self.length = recorded, length
        begins = recorded["starts"].nonzero().flatten()
        generator = torch.Generator().manual_seed(seed)
        self.positions = begins[torch.randint(len(begins), (streams,), generator=generator)]

    def next(self) -> TaxiSequences:
        """The next steps of each stream."""
        known = len(self.recorded["starts"])
        index = (self.positions + torch.arange(self.length)[:, None]) % known
        self.positions = (self.positions + self.length) % known
        chosen = {name: self.recorded[name][index] for name in ("starts", "observations", "outputs")}
        return TaxiSequences(chosen["starts"], {"obs": chosen["observations"]}, chosen["outputs"])

    def state_dict(self) -> dict[str, Tensor]:
        """The streams' positions."""
        return {"positions": self.positions.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from where ``state_dict`` was taken."""
        self.positions = state["positions"].clone()


def open_sequences(
    path: str, streams: int, sequence_length: int, seed: int, limit: int | None = None
) -> GameStreams:
    """The games of ``expert.safetensors``, or its first ``limit`` steps."""
    recorded = {name: value[:limit] for name, value in read_tensors(Path(path)).items()}
    return GameStreams(recorded, streams, sequence_length, seed)
