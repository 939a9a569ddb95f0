"""Diagonal Fisher information from the gradients of batches, resumable at any batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import torch

from fpc.core import interruption
from fpc.core.checkpoint import load_checkpoint, save_checkpoint, selected
from fpc.core.errors import ConfigError
from fpc.retention.interface import outputs_from

if TYPE_CHECKING:
    from torch import Tensor

    from fpc.retention.interface import ExpertSampler, Policy, Preparation


def batch_fisher(
    policy: Policy,
    sampler: ExpertSampler,
    batches: int,
    relative_size: float = 1.0,
    preparation: Preparation | None = None,
) -> dict[str, Tensor]:
    """``F_i = mean_b (d L_b / d theta_i)^2``, where ``L_b`` is the mean cross-entropy of batch b.

    Each sample's label is the policy's own most likely action. The square of a mean is not the mean of
    squares: these values are smaller than those of ``diagonal_fisher``, and coefficients are chosen
    accordingly. In expectation they are ``m^2 + v / B``, with mean m and variance v of a sample's gradient
    and batch size B; m is not 0, because the labels are not drawn from the policy. So the estimate for
    another batch size is not a multiple of this one: its two parts are estimated apart.
    Source: the released NetHack code (text: 10,000 batches, code: 30,000); the conversion is ours.

    Args:
        policy: has discrete actions; its ``outputs`` are logits ``[N, A]``.
        sampler: its ``state_dict`` is all that determines the following batches; for recurrent policies they
            are sequences, with the recurrent state carried from one batch to the next.
        batches: number of batches.
        relative_size: size of these batches as a fraction of those that F is wanted for.
        preparation: the sums are saved there and continued, with the same bits, also when all are done.

    Returns:
        F with the names and shapes of ``policy.anchored_parameters()``.

    Raises:
        Interrupted: a deferred signal was received; the sums are saved.
        NoUsableCheckpoint: sums were saved, but cannot be read.
        ConfigError: there are no batches, or a single one if F is wanted for another size.
    """
    needed = 1 if relative_size == 1 else 2
    if batches < needed:
        raise ConfigError(f"the Fisher information needs at least {needed} batches, but got {batches}")
    sums = _Sums(policy, sampler)
    if preparation is None:
        for _ in range(batches):
            sums.add()
    else:
        _add_all(sums, batches, preparation)
    estimates = (
        of_batches_of_another_size(total / batches, squares / batches, batches, relative_size)
        for total, squares in zip(sums.total, sums.squares, strict=True)
    )
    return dict(zip(sums.names, estimates, strict=True))


def _add_all(sums: _Sums, batches: int, preparation: Preparation) -> None:
    """Add what is missing of ``batches`` batches, saving now and then and at the end."""
    sums.restore(preparation)
    saved, saved_at = sums.count, time.monotonic()
    while True:
        preparation.report(sums.count, batches)
        due = sums.count == batches or interruption.received() is not None
        if sums.count > saved and (due or time.monotonic() - saved_at >= preparation.seconds):
            sums.save(preparation)
            saved, saved_at = sums.count, time.monotonic()
        interruption.check()
        if sums.count == batches:
            return
        sums.add()


class _Sums:
    """Sums over batches of the gradients and of their squares; ``save`` and ``restore`` cover all of it."""

    def __init__(self, policy: Policy, sampler: ExpertSampler) -> None:
        self.policy, self.sampler = policy, sampler
        anchored = dict(policy.anchored_parameters())
        self.names, self.parameters = list(anchored), list(anchored.values())
        self.total = [torch.zeros_like(value) for value in self.parameters]
        self.squares = [torch.zeros_like(value) for value in self.parameters]
        self.count = 0
        self.state: Tensor | None = None  # of a recurrent policy

    def add(self) -> None:
        """Add the next batch."""
        observations = self.sampler.sample_observations()
        with torch.enable_grad():
            outputs, self.state = outputs_from(self.policy, observations, self.state)
            label = outputs.detach().argmax(-1)
            loss = -self.policy.distribution(outputs).log_prob(label).mean()
        gradients = torch.autograd.grad(loss, self.parameters)
        for gradient, total, squares in zip(gradients, self.total, self.squares, strict=True):
            total += gradient
            squares += gradient.square()
        self.count += 1

    def save(self, preparation: Preparation) -> None:
        tensors = {f"sampler.{name}": value for name, value in self.sampler.state_dict().items()}
        for name, total, squares in zip(self.names, self.total, self.squares, strict=True):
            tensors |= {f"total.{name}": total, f"squares.{name}": squares}
        if self.state is not None:
            tensors["state"] = self.state
        save_checkpoint(preparation.folder, self.count, tensors, {})

    def restore(self, preparation: Preparation) -> None:
        checkpoint = load_checkpoint(preparation.folder)
        if checkpoint is None:
            return
        for kept, word in ((self.total, "total."), (self.squares, "squares.")):
            found = selected(checkpoint.tensors, word)
            for name, value in zip(self.names, kept, strict=True):
                value.copy_(found[name])
        self.state = checkpoint.tensors.get("state")
        self.sampler.load_state_dict(selected(checkpoint.tensors, "sampler."))
        self.count = checkpoint.step


def of_batches_of_another_size(mean: Tensor, square: Tensor, count: int, relative_size: float) -> Tensor:
    """The expected square of a batch's mean gradient, for batches of another size.

    Args:
        mean: mean of the gradients of ``count`` batches, any shape.
        square: mean of their squares, the same shape.
        count: number of batches, at least 2 unless ``relative_size`` is 1.
        relative_size: size of these batches as a fraction of the wanted ones.

    Returns:
        ``m^2 + relative_size * v`` with unbiased estimates of the squared mean (not below 0) and of the
        variance v of these batches' gradients; ``square`` if ``relative_size`` is 1.
    """
    if relative_size == 1:
        return square
    variance = (square - mean.square()).clamp(min=0) * count / (count - 1)
    return (square - variance).clamp(min=0) + relative_size * variance
