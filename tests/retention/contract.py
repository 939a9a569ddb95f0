"""Small students with everything a learner may provide to a method: one run, parallel runs, an LSTM."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fpc.domains.nethack.expert_sequences import ExpertSequence, StoredSequences
from fpc.learners.appo.expert_sequences import ExpertSequences
from fpc.learners.appo.policies import RecurrentCategoricalPolicy
from fpc.learners.sac.replay_buffer import ReplayBuffer
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import RetentionBatch, RetentionContext

from .policies import BernoulliPolicy

GAMES = (4, 3, 5)  # lengths of the expert's games in steps
LENGTH = 4  # steps of a sequence


@dataclass
class Case:
    """A student that differs from pi*, its context, and the batch of each update."""

    parameters: list[nn.Parameter]
    new_context: Callable[[], RetentionContext]  # with the same policies and a new generator
    batch: Callable[[int], RetentionBatch]
    answers: Callable[
        [], list[Tensor]
    ]  # outputs of policies and expert data, to check that they do not change
    step: float  # for finite differences
    tolerance: float


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def feedforward(runs: tuple[int, ...] = ()) -> Case:
    """Bernoulli policies in float64, with leading run dimensions ``runs``."""
    student, teacher = (
        BernoulliPolicy(numbers(*runs, seed=seed), numbers(*runs, seed=seed + 1)) for seed in (1, 3)
    )
    states, online = numbers(*runs, 12, 1, seed=5), numbers(*runs, 6, 1, seed=6)
    tensors = {"observations": states, "outputs": teacher.outputs(states).detach()}
    if not runs:
        tensors |= {
            "action": numbers(12, 1, seed=7).float(),
            "reward": numbers(12, seed=8).float(),
            "next_observations": states.float(),
            "terminated": torch.zeros(12),
        }
    expert = ExpertDataset(tensors)

    def new_context() -> RetentionContext:
        buffer = None if runs else ReplayBuffer(20, 1, 1)
        generator = torch.Generator().manual_seed(9)
        return RetentionContext(student, teacher, expert, buffer, generator, run_dimensions=len(runs))

    def answers() -> list[Tensor]:
        sample = expert.sampler(8, torch.Generator().manual_seed(2)).sample()
        return [student.outputs(online), teacher.outputs(online), sample.observations, sample.outputs]

    return Case(
        parameters=list(student.parameters()),
        new_context=new_context,
        batch=lambda update: RetentionBatch(student, online, student.outputs(online), update),
        answers=answers,
        step=1e-6,
        tolerance=1e-6,
    )


class Network(nn.Module):
    """An LSTM with two heads on two-dimensional features."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.core, self.policy, self.baseline = nn.LSTM(2, 2), nn.Linear(2, 3), nn.Linear(2, 1)
        generator = torch.Generator().manual_seed(seed)
        for value in self.parameters():
            nn.init.normal_(value, generator=generator)


def recurrent() -> Case:
    """APPO's LSTM policy on stored games."""
    network, pi_star = Network(seed=1), Network(seed=2)
    student, teacher = (RecurrentCategoricalPolicy(one, trains_encoder=False) for one in (network, pi_star))
    features = numbers(sum(GAMES), 2, seed=5).float()
    starts = torch.zeros(sum(GAMES), dtype=torch.bool)
    starts[[sum(GAMES[:game]) for game in range(len(GAMES))]] = True
    outputs, _ = teacher.unroll(ExpertSequence(starts[:, None], features=features[:, None]), None)
    stored = {"features": features, "outputs": outputs.detach(), "starts": starts}
    stored |= {"depth": torch.ones(sum(GAMES)), "actions": torch.zeros(sum(GAMES))}

    def open_stored(streams: int, length: int, seed: int, limit: int | None) -> StoredSequences:
        return StoredSequences(stored, streams, length, seed, limit)

    expert = ExpertSequences(open_stored, teacher, LENGTH)
    online = ExpertSequence(
        torch.zeros(LENGTH, 2, dtype=torch.bool), features=features[:8].view(LENGTH, 2, 2)
    )
    with torch.no_grad():
        teacher_outputs = teacher.outputs(online)

    def new_context() -> RetentionContext:
        return RetentionContext(
            student, teacher, expert, None, torch.Generator().manual_seed(9), run_dimensions=0
        )

    def answers() -> list[Tensor]:
        sample = expert.sampler(8, torch.Generator().manual_seed(2)).sample()
        return [
            student.outputs(online),
            teacher.outputs(online),
            sample.observations.features,
            sample.outputs,
        ]

    return Case(
        parameters=list(network.parameters()),
        new_context=new_context,
        batch=lambda update: RetentionBatch(
            student, online, student.outputs(online), update, teacher_outputs=teacher_outputs
        ),
        answers=answers,
        step=1e-2,  # float32
        tolerance=1e-2,
    )


CASES: dict[str, Callable[[], Case]] = {
    "one run": feedforward,
    "side by side": lambda: feedforward((3,)),
    "recurrent": recurrent,
}
