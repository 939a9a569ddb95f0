"""Episodic memory (EM): keep transitions of pi* in the replay buffer for good."""

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
    """How much is remembered, and how often it is replayed."""

    memory_size: PositiveInt = Field(description="Transitions of pi* that are kept.")
    share: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None,
        description="Share of each batch drawn from them; null draws uniformly from the whole buffer.",
    )


class EpisodicMemory(RetentionMethod):
    """Adds no term: the learner's own loss sees pi*'s transitions among its own.

    Source: paper section 2 and appendix on RoboticSequence (10k transitions in a buffer of 100k).
    """

    label: ClassVar[str] = "EM"
    colour: ClassVar[str] = "#E69F00"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.EXPERT_DATA, Need.REPLAY_BUFFER})
    Options: ClassVar[type[MethodOptions]] = EpisodicMemoryOptions

    def prepare(self, context: RetentionContext) -> None:
        """Put the first ``memory_size`` transitions into the buffer and protect them."""
        if context.expert is None or context.replay_buffer is None:
            raise ValueError("episodic memory needs expert data and a replay buffer; this learner lacks one")
        memory = context.expert.restricted(self.options.memory_size)
        context.replay_buffer.protect(memory.transitions(), self.options.share)

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """No term."""
        return None

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Nothing to do: the protected transitions are restored with the buffer that holds them."""
