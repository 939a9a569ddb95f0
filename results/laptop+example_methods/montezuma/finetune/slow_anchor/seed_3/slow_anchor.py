"""Slow anchor: stay close to a slowly moving average of the student, on the states the learner visits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, cast

from pydantic import Field

from fpc.config.base import Fraction, NonNegativeFloat
from fpc.core.errors import ConfigError
from fpc.retention.interface import (
    MethodOptions,
    Need,
    Policy,
    RecurrentPolicy,
    RetentionBatch,
    RetentionContext,
    RetentionMethod,
)

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim.swa_utils import AveragedModel


class SlowAnchorOptions(MethodOptions):
    """Weight of the term, and how slowly the anchor moves."""

    coefficient: NonNegativeFloat = Field(description="Weight of the divergence.")
    momentum: Fraction = Field(
        default=0.999,
        description="Share of the average that stays in one update: it follows the student over about "
        "1 / (1 - momentum) updates; 1 never moves and is kickstarting, 0 is the student one update ago.",
    )


class SlowAnchor(RetentionMethod):
    """``c mean_s~pi_theta KL(pi_slow(.|s) || pi_theta(.|s))`` on the learner's own observations.

    ``pi_slow`` starts as pi* and has the parameters ``m theta_slow + (1 - m) theta`` after each update.

    Source: the momentum Bregman proximal point method of SMART (Jiang et al. 2020, ACL, arXiv 1911.03437,
    section 3.2), which fine-tunes language models; its divergence is symmetric and m is 0.99, then 0.999.
    Ours: kickstarting's direction of the divergence, so that both methods differ in the anchor alone; and the
    student is averaged after the term is computed, one update later.
    """

    label: ClassVar[str] = "Slow anchor"
    colour: ClassVar[str] = "#8C564B"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.ONLINE_OBSERVATIONS})
    Options: ClassVar[type[MethodOptions]] = SlowAnchorOptions
    slow: AveragedModel

    def prepare(self, context: RetentionContext) -> None:
        """Start the average at the student's parameters, which are pi*'s before the first update.

        Raises:
            ConfigError: the policy has a memory.
        """
        from torch import nn
        from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

        student = context.student
        if isinstance(student, RecurrentPolicy) or not isinstance(student, nn.Module):
            raise ConfigError(
                "slow_anchor needs a policy without memory: the average of a recurrent policy would need a "
                "recurrent state of its own while games are played; use kickstarting, whose pi* has one"
            )
        average = get_ema_multi_avg_fn(self.options.momentum)  # type: ignore[no-untyped-call]
        self.slow = AveragedModel(student, multi_avg_fn=average)
        self.slow.update_parameters(student)  # the first call copies, later ones average

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """Weighted mean divergence over the batch, ``[*runs]``."""
        import torch

        from fpc.retention import losses

        with torch.no_grad():
            anchor = cast(Policy, self.slow.module).outputs(batch.observations)
        divergence = losses.kl_divergence(batch.student, anchor, batch.outputs).mean(-1)
        self.slow.update_parameters(cast(torch.nn.Module, batch.student))
        coefficient: float = self.options.coefficient
        return divergence * coefficient

    def state_dict(self) -> dict[str, Tensor]:
        """The average's parameters and the number of updates in it."""
        return dict(self.slow.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore the average."""
        self.prepare(context)
        self.slow.load_state_dict(state)
