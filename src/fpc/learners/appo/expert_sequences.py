"""The expert's games as expert data for recurrent policies, read in order as sequences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fpc.learners.appo.policies import RecurrentCategoricalPolicy, Sequences
from fpc.retention.interface import ExpertBatch

SOURCE, TEACHER_STATE = "source.", "teacher_state"  # in a sampler's state_dict


class SequenceSource(Protocol):
    """An open place in the expert's games."""

    def next(self) -> Sequences:
        """The next ``T`` steps of every stream."""

    def state_dict(self) -> dict[str, Tensor]:
        """Where every stream stands."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on exactly where ``state_dict`` was taken."""


class OpenSequences(Protocol):
    """Opens the expert's games, ``streams`` of them side by side and ``length`` steps a batch.

    ``seed`` decides the order of the games; with ``limit`` only the first games are read, as many as have
    that many steps together.
    """

    def __call__(self, streams: int, length: int, seed: int, limit: int | None) -> SequenceSource:
        """At the first step of the first games."""


@dataclass(frozen=True)
class ExpertSequences:
    """Whole games of the expert; see :class:`fpc.retention.interface.ExpertData`."""

    open_sequences: OpenSequences
    teacher: RecurrentCategoricalPolicy
    length: int  # steps of a sequence
    limit: int | None = None  # use only the first games, as many as have this many steps together

    def sampler(self, size: int, generator: torch.Generator) -> SequenceSampler:
        """Batches of ``size`` steps: ``size / length`` streams side by side, game after game.

        The order of the games follows from the generator's seed; nothing is drawn from the generator.

        Raises:
            ValueError: ``size`` is not a multiple of the sequence length.
        """
        if size % self.length:
            raise ValueError(
                f"a batch of {size} expert steps is not a multiple of the sequence length {self.length}"
            )
        seed = generator.initial_seed()
        source = self.open_sequences(size // self.length, self.length, seed, self.limit)
        return SequenceSampler(source, self.teacher)

    def restricted(self, size: int) -> ExpertSequences:
        """Only the first ``size`` steps, whole games."""
        return ExpertSequences(self.open_sequences, self.teacher, self.length, size)

    def transitions(self) -> Mapping[str, Tensor]:
        """Sequences have no transitions for a replay buffer: raises ValueError."""
        raise ValueError("the expert's sequences hold no transitions; APPO has no replay buffer")


class SequenceSampler:
    """Reads on through the games; pi*'s outputs are computed where they are not stored."""

    def __init__(self, source: SequenceSource, teacher: RecurrentCategoricalPolicy) -> None:
        self.source, self.teacher = source, teacher
        self.teacher_state: Tensor | None = None  # pi*'s LSTM after the newest sequences, [B, 2 H]

    def sample(self) -> ExpertBatch:
        """The next sequences ``[T, B]`` and pi*'s outputs ``[T * B, A]``."""
        sequences = self.source.next()
        if sequences.outputs is None:
            with torch.no_grad():
                outputs, self.teacher_state = self.teacher.unroll(sequences, self.teacher_state)
        else:
            device = self.teacher.network.policy.weight.device
            outputs = sequences.outputs.to(device).float().flatten(0, 1)
        return ExpertBatch(sequences, outputs)

    def sample_observations(self) -> Sequences:
        """The next sequences; pi* does not see them, so mix this with ``sample`` only at starts of games."""
        return self.source.next()

    def state_dict(self) -> dict[str, Tensor]:
        """Where every stream stands, and pi*'s LSTM state."""
        state = {SOURCE + name: value for name, value in self.source.state_dict().items()}
        if self.teacher_state is not None:
            state[TEACHER_STATE] = self.teacher_state
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on where ``state_dict`` was taken."""
        self.source.load_state_dict(
            {name.removeprefix(SOURCE): value for name, value in state.items() if name.startswith(SOURCE)}
        )
        self.teacher_state = state.get(TEACHER_STATE)
