"""Memory aware synapses (MAS): stay close to those of pi*'s parameters that its outputs depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from fpc.config.base import NonNegativeFloat, PositiveInt
from fpc.core.errors import DataError
from fpc.retention.interface import (
    MethodOptions,
    Need,
    Policy,
    RetentionBatch,
    RetentionContext,
    RetentionMethod,
    outputs_from,
)

if TYPE_CHECKING:
    from torch import Tensor


class MASOptions(MethodOptions):
    """Weight of the penalty, and how the importance of parameters is estimated."""

    coefficient: NonNegativeFloat = Field(
        description="Weight of the penalty; the importance has mean 1, so it is comparable to L2's."
    )
    batches: PositiveInt = Field(
        default=1000, description="Batches of expert states over which the importance is averaged."
    )
    batch_size: PositiveInt = Field(
        default=1,
        description="Expert states in one gradient, whose absolute value is taken: 1 as in the paper; more "
        "is faster, but gradients may cancel. With memory: a multiple of the length of a sequence.",
    )


class MAS(RetentionMethod):
    """``c sum_i Omega_i (theta_i - theta*_i)^2``, ``Omega_i = mean_b |d mean_n ||F(x_n)||^2 / d theta_i|``.

    Source: Aljundi et al. 2018 (ECCV, arXiv 1711.09601), section 4: the importance is the mean absolute
    gradient of the squared L2 norm of the outputs F. As in the authors' code, n runs over a batch b (a batch
    of one state is the paper's definition), and the penalty has no factor 1/2.

    F are the outputs of the policy's head before any squashing: mean and log standard deviation, or logits.
    A categorical distribution does not change if all logits are shifted, but their norm does, so they are
    centred; that makes it the Aitchison norm of the probabilities (Aitchison 1982), 0 for a uniform policy.

    Ours: Omega is divided by its mean over parameters, because the outputs' scale differs between domains.
    """

    label: ClassVar[str] = "MAS"
    colour: ClassVar[str] = "#999933"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.EXPERT_DATA})
    Options: ClassVar[type[MethodOptions]] = MASOptions
    anchors: Tensor
    importance: Tensor
    run_dimensions: int

    def prepare(self, context: RetentionContext) -> None:
        """Anchor at the student's parameters, which are pi*'s before the first update.

        Raises:
            DataError: no parameter has any importance.
        """
        self.run_dimensions = context.run_dimensions
        self.anchors = self._flat_parameters(context.student).detach().clone()
        importance = self._importance(context)
        mean = importance.mean(-1, keepdim=True)
        if not (mean > 0).all():
            raise DataError("MAS has nothing to keep: pi*'s outputs are constant on the expert data")
        self.importance = importance / mean

    def _importance(self, context: RetentionContext) -> Tensor:
        """Summed absolute gradients over batches of expert states, ``[*runs, M]``."""
        import torch

        from fpc.retention import losses

        if context.expert is None:
            raise ValueError("MAS needs expert data, but this learner provides none")
        sampler = context.expert.sampler(self.options.batch_size, context.generator)
        parameters = list(context.student.anchored_parameters().values())
        total, state = torch.zeros_like(self.anchors), None
        for _ in range(self.options.batches):
            outputs, state = outputs_from(context.student, sampler.sample_observations(), state)
            norm = squared_norm(context.student, outputs).mean(-1).sum()  # runs share no parameters
            gradients = torch.autograd.grad(norm, parameters)
            total += losses.flatten_parameters(gradients, self.run_dimensions).abs()
        return total

    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """Weighted quadratic penalty, ``[*runs]``."""
        from fpc.retention import losses

        parameters = self._flat_parameters(batch.student)
        coefficient: float = self.options.coefficient
        return losses.quadratic_penalty(parameters, self.anchors, self.importance) * coefficient

    def _flat_parameters(self, student: Policy) -> Tensor:
        from fpc.retention import losses

        return losses.flatten_parameters(student.anchored_parameters().values(), self.run_dimensions)

    def state_dict(self) -> dict[str, Tensor]:
        """Anchors and importance ``[*runs, M]``: a resumed student is no longer pi*."""
        return {"anchors": self.anchors, "importance": self.importance}

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore anchors and importance."""
        self.run_dimensions = context.run_dimensions
        device = self._flat_parameters(context.student).device
        self.anchors, self.importance = (state[name].to(device) for name in ("anchors", "importance"))


def squared_norm(policy: Policy, outputs: Tensor) -> Tensor:
    """Squared L2 norm ``[..., N]`` of outputs ``[..., N, P]``; logits of a softmax are centred first."""
    from torch.distributions import Categorical

    if isinstance(policy.distribution(outputs), Categorical):
        outputs = outputs - outputs.mean(-1, keepdim=True)
    return outputs.square().sum(-1)
