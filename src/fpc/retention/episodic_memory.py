"""Episodic memory (EM): keep transitions of pi* in the replay buffer permanently."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from fpc.config.base import PositiveInt
from fpc.retention.interface import (
    MethodOptions,
    Need,
    RetentionBatch,
    RetentionContext,
    RetentionMethod,
)

if TYPE_CHECKING:
    from torch import Tensor


class EpisodicMemoryOptions(MethodOptions):
    """Size of the memory, and how often it is replayed."""

    memory_size: PositiveInt = Field(description="Number of pi*'s transitions that are kept.")
    share: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Share of each batch drawn from them; null draws uniformly from the whole buffer.",
    )


class EpisodicMemory(RetentionMethod):
    """Adds no term: the learner's own loss is also computed on pi*'s transitions.

    Source: paper section 2 and appendix on RoboticSequence (10k transitions in a buffer of 100k).
    """

    label: ClassVar[str] = "EM"
    colour: ClassVar[str] = "#E69F00"
    adds_term: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset({Need.EXPERT_DATA, Need.REPLAY_BUFFER})
    Options: ClassVar[type[MethodOptions]] = EpisodicMemoryOptions

    def prepare(self, context: RetentionContext) -> None:
        """Put the first ``memory_size`` transitions into the buffer and protect them."""
        if context.expert is None or context.replay_buffer is None:
            raise ValueError(
                "episodic memory needs expert data and a replay buffer, but this learner lacks one of them"
            )
        memory = context.expert.restricted(self.options.memory_size)
        context.replay_buffer.protect(memory.transitions(), self.options.share)

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """No term."""
        return None

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Nothing to restore: the protected transitions are part of the replay buffer's own state."""
