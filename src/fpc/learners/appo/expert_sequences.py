"""The expert's games as expert data for recurrent policies, read sequentially."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from fpc.core.checkpoint import selected
from fpc.core.errors import ConfigError
from fpc.learners.appo.policies import RecurrentCategoricalPolicy, Sequences
from fpc.retention.interface import ExpertBatch

SOURCE, TEACHER_STATE = "source.", "teacher_state"  # in a sampler's state_dict


class SequenceSource(Protocol):
    """A position in the expert's games."""

    def next(self) -> Sequences:
        """The next ``T`` steps of each stream."""

    def state_dict(self) -> dict[str, Tensor]:
        """The position of each stream."""

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue exactly from where ``state_dict`` was taken."""


class OpenSequences(Protocol):
    """Opens the expert's games as ``streams`` parallel streams, ``length`` steps per batch.

    ``seed`` determines the order of the games; with ``limit`` only the first games are read, up to that many
    steps in total.
    """

    def __call__(self, streams: int, length: int, seed: int, limit: int | None) -> SequenceSource:
        """The source, at the first step of the first games."""


@dataclass(frozen=True)
class ExpertSequences:
    """Whole games of the expert; see :class:`fpc.retention.interface.ExpertData`."""

    open_sequences: OpenSequences
    teacher: RecurrentCategoricalPolicy
    length: int  # steps of a sequence
    limit: int | None = None  # use only the first games, up to this many steps in total

    def sampler(self, size: int, generator: torch.Generator) -> SequenceSampler:
        """Batches of ``size`` steps: ``size / length`` parallel streams, read game by game.

        The generator's seed determines the order of the games; nothing is drawn from the generator.

        Raises:
            ConfigError: ``size`` is not a multiple of the sequence length.
        """
        if size % self.length:
            raise ConfigError(
                f"a batch of {size} expert steps is not a multiple of the sequence length {self.length}"
            )
        seed = generator.initial_seed()
        source = self.open_sequences(size // self.length, self.length, seed, self.limit)
        return SequenceSampler(source, self.teacher)

    def restricted(self, size: int) -> ExpertSequences:
        """Only the first games, up to ``size`` steps in total."""
        return ExpertSequences(self.open_sequences, self.teacher, self.length, size)

    def transitions(self) -> Mapping[str, Tensor]:
        """Always raises ValueError: sequences contain no transitions for a replay buffer."""
        raise ValueError("the expert's sequences contain no transitions; APPO has no replay buffer")


class SequenceSampler:
    """Reads through the games in order; computes pi*'s outputs if they are not stored."""

    def __init__(self, source: SequenceSource, teacher: RecurrentCategoricalPolicy) -> None:
        self.source, self.teacher = source, teacher
        self.teacher_state: Tensor | None = None  # pi*'s LSTM state after the latest sequences, [B, 2 H]

    def sample(self) -> ExpertBatch:
        """The next sequences ``[T, B]``, pi*'s outputs ``[T * B, A]``, the expert's actions ``[T * B]``."""
        sequences = self.source.next()
        device = self.teacher.network.policy.weight.device
        if sequences.outputs is None:
            with torch.no_grad():
                outputs, self.teacher_state = self.teacher.unroll(sequences, self.teacher_state)
        else:
            outputs = sequences.outputs.to(device).float().flatten(0, 1)
        actions = sequences.actions
        if actions is not None:
            actions = actions.to(device).long().flatten(0, 1)
        return ExpertBatch(sequences, outputs, actions)

    def sample_observations(self) -> Sequences:
        """The next sequences, not seen by pi*: mix this with ``sample`` only where games start."""
        return self.source.next()

    def state_dict(self) -> dict[str, Tensor]:
        """The position of each stream, and pi*'s LSTM state."""
        state = {SOURCE + name: value for name, value in self.source.state_dict().items()}
        if self.teacher_state is not None:
            state[TEACHER_STATE] = self.teacher_state
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from where ``state_dict`` was taken."""
        self.source.load_state_dict(selected(state, SOURCE))
        self.teacher_state = state.get(TEACHER_STATE)
