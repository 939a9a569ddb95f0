"""EWC's coefficient holds for batches of one size; estimates from other sizes are converted to it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from fpc.domains.nethack.expert_sequences import StoredSequences
from fpc.learners.appo.expert_sequences import ExpertSequences
from fpc.learners.appo.policies import RecurrentCategoricalPolicy
from fpc.retention.batch_fisher import batch_fisher, of_batches_of_another_size
from fpc.retention.ewc import EWC, EWCOptions
from fpc.retention.interface import RetentionBatch, RetentionContext
from fpc.workflow.trying.students import Network

from .policies import CategoricalPolicy, Listed

GAMES, STEPS, LENGTH, LARGE = 400, 8, 4, 256


def penalty(seed: int, **options: Any) -> float:
    """EWC's penalty of an LSTM policy 0.1 away from pi*, with its own draw of games."""
    network = Network(seed=1)
    torch.nn.init.normal_(network.policy.weight, std=0.1, generator=torch.Generator().manual_seed(4))
    torch.nn.init.zeros_(network.policy.bias)  # an undecided policy, whose gradients vary much
    policy = RecurrentCategoricalPolicy(network, trains_encoder=False)
    total = GAMES * STEPS
    stored = {
        "features": torch.randn(total, 2, generator=torch.Generator().manual_seed(2)),
        "starts": torch.arange(total) % STEPS == 0,
    }
    stored |= {name: torch.zeros(total, 3) for name in ("outputs", "actions", "depth")}

    def open_stored(streams: int, length: int, seed: int, limit: int | None) -> StoredSequences:
        return StoredSequences(stored, streams, length, seed, limit)

    expert = ExpertSequences(open_stored, policy, LENGTH)
    method = EWC(EWCOptions(coefficient=2.0, fisher_floor=0.0, **options))
    generator = torch.Generator().manual_seed(seed)
    method.prepare(RetentionContext(policy, None, expert, None, generator, run_dimensions=0))
    with torch.no_grad():
        for value in policy.anchored_parameters().values():
            value.add_(0.1)
    outputs = torch.zeros(1, 3)
    term = method.penalty(RetentionBatch(policy, None, outputs, 0))
    assert term is not None
    return term.item()


def test_two_batch_sizes_give_about_the_same_penalty() -> None:
    large = penalty(1, fisher_samples=LARGE, fisher_batches=100, coefficient_batch=LARGE)
    small = penalty(2, fisher_samples=4, fisher_batches=1500, coefficient_batch=LARGE)
    as_given = penalty(2, fisher_samples=4, fisher_batches=1500)
    assert small == pytest.approx(large, rel=0.05)
    assert as_given > 1.15 * large


def test_the_size_that_the_coefficient_was_chosen_for_changes_nothing() -> None:
    given = penalty(1, fisher_samples=LARGE, fisher_batches=10)
    assert penalty(1, fisher_samples=LARGE, fisher_batches=10, coefficient_batch=LARGE) == given


def test_the_exact_fisher_information_has_no_batch_size() -> None:
    with pytest.raises(ValidationError, match="set fisher_batches, or remove coefficient_batch"):
        EWCOptions(coefficient=1.0, fisher_samples=8, fisher_floor=0.0, coefficient_batch=8)


def test_conversion_to_another_batch_size_by_hand() -> None:
    # Gradients 1 and 3: mean 2, mean square 5, variance 2, squared mean 5 - 2 = 3; eighths: 3 + 2 / 8
    converted = of_batches_of_another_size(torch.tensor(2.0), torch.tensor(5.0), 2, 1 / 8)
    assert converted.item() == pytest.approx(3.25)
    # Gradients -1 and 1: mean 0, mean square 1, variance 2; the squared mean, 1 - 2, is not below 0
    assert of_batches_of_another_size(torch.tensor(0.0), torch.tensor(1.0), 2, 1 / 8).item() == 0.25
    assert of_batches_of_another_size(torch.tensor(2.0), torch.tensor(5.0), 2, 1.0).item() == 5.0


@pytest.mark.parametrize(
    ("weight", "expected"),
    [
        # At w = 0 the label is action 0 and a sample's gradient -o / 2: m = 0, v = 1/4, F = 1 / (4 * 1024)
        (0.0, 1 / 4096),
        # At w = log 3 it is -1/4 in both states: no variance, and F does not depend on the batch size
        (math.log(3), 1 / 16),
    ],
)
def test_small_batches_estimate_the_fisher_information_of_large_ones(weight: float, expected: float) -> None:
    generator = torch.Generator().manual_seed(1)
    policy = CategoricalPolicy(weight)

    def estimate(size: int, batches: int) -> float:
        signs = torch.randint(2, (batches, size, 1), generator=generator) * 2.0 - 1.0
        return batch_fisher(policy, Listed(signs), batches, size / 1024)["weight"].item()

    assert estimate(1024, 1500) == pytest.approx(expected, rel=0.1)
    assert estimate(256, 3000) == pytest.approx(
        expected, rel=0.2
    )  # as squares alone, 4 times as much at w = 0
