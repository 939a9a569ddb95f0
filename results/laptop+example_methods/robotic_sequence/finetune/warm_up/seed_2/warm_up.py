"""Warm-up: collect the first transitions with pi* itself, then fine-tune without retention."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from fpc.config.base import PositiveInt
from fpc.core.errors import ConfigError
from fpc.retention.interface import MethodOptions, Need, RetentionBatch, RetentionMethod

if TYPE_CHECKING:
    from torch import Tensor


class WarmUpOptions(MethodOptions):
    """Length of the warm-up."""

    warm_up_steps: PositiveInt = Field(
        default=5000,
        description="First environment steps, which only fill the replay buffer; part of the budget.",
    )


class WarmUp(RetentionMethod):
    """No update of actor, critics or temperatures in the first ``warm_up_steps`` environment steps.

    Source: WSRL, Zhou et al. 2024 (arXiv 2412.07762): the pre-trained policy first fills the replay buffer
    for 5,000 steps; then policy and critics are fine-tuned without offline data and without a further term.
    Until its first update the student is pi*, so these steps are pi*'s rollouts. WSRL's ensemble of critics
    and its several updates a step are matters of the learner's options.

    It needs a replay buffer: an on-policy learner discards what it collects without an update.
    """

    label: ClassVar[str] = "Warm-up"
    colour: ClassVar[str] = "#888888"
    adds_term: ClassVar[bool] = False
    needs: ClassVar[frozenset[Need]] = frozenset({Need.REPLAY_BUFFER})
    Options: ClassVar[type[MethodOptions]] = WarmUpOptions

    @classmethod
    def finetune_changes(
        cls, options: WarmUpOptions, domain: str, finetune: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """What differs from the experiment's section ``finetune`` in this method's runs: SAC's first update.

        Args:
            options: the method's options in this experiment.
            domain: name of the experiment's domain.
            finetune: the section as plain values.

        Returns:
            The changed keys alone, nested as in the section.

        Raises:
            ConfigError: the warm-up leaves no step for updates.
        """
        steps = options.steps or finetune["steps"]
        if options.warm_up_steps >= steps:
            raise ConfigError(
                f"warm_up_steps is {options.warm_up_steps}, but {domain}'s runs have {steps} steps, so they "
                "would learn nothing: lower warm_up_steps"
            )
        return {"sac": {"update_after": options.warm_up_steps}}

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """No term."""
        return None
