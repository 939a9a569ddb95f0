"""Small students with everything that learners provide to a retention method, to check one before any run.

Their parameters are few, so that gradients can be compared with finite differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Bernoulli, Distribution

from fpc.domains.nethack.expert_sequences import ExpertSequence, StoredSequences
from fpc.learners.appo.expert_sequences import ExpertSequences
from fpc.learners.appo.policies import FeedforwardCategoricalPolicy, RecurrentCategoricalPolicy
from fpc.learners.sac.networks import Actor
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.replay_buffer import ReplayBuffer
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import Need, RetentionBatch, RetentionContext

GAMES = (4, 3, 5)  # lengths of the expert's games in steps
LENGTH = 4  # steps of a sequence
RUNS = 3  # trained side by side


@dataclass
class Case:
    """A student that differs from pi*, its context, and the batch of each update."""

    parameters: list[nn.Parameter]
    pi_star: list[nn.Parameter]  # the teacher's, in the same order
    new_context: Callable[[], RetentionContext]  # with the same policies and a new generator
    batch: Callable[[int], RetentionBatch]
    answers: Callable[[], list[Tensor]]  # outputs of policies and expert data, which must not change
    step: float  # for finite differences
    tolerance: float


def numbers(*shape: int, seed: int) -> Tensor:
    """Standard normal float64 numbers of this shape, determined by the seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class BernoulliPolicy(nn.Module):
    """P(1) = sigmoid(w o + b); w and b of shape ``[*runs]``."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(bias)

    def outputs(self, observations: Tensor) -> Tensor:
        """Logits ``[*runs, N, 1]`` for observations of the same shape."""
        return self.weight[..., None, None] * observations + self.bias[..., None, None]

    def distribution(self, outputs: Tensor) -> Distribution:
        """Of one bit, with batch shape ``[*runs, N]``."""
        return Bernoulli(logits=outputs.squeeze(-1))

    def information(self, outputs: Tensor) -> Tensor:
        """p (1 - p), ``[*runs, N, 1]``."""
        probability = outputs.sigmoid()
        return probability * (1 - probability)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """Both."""
        return {"weight": self.weight, "bias": self.bias}


def feedforward(runs: tuple[int, ...] = ()) -> Case:
    """Bernoulli policies in float64, with leading run dimensions ``runs``."""
    student, teacher = (
        BernoulliPolicy(numbers(*runs, seed=seed), numbers(*runs, seed=seed + 1)) for seed in (1, 3)
    )
    return memoryless(student, teacher, numbers(*runs, 12, 1, seed=5), numbers(*runs, 6, 1, seed=6), runs)


def gaussian() -> Case:
    """SAC's policy for two actions and two stages in float64."""
    options = SACOptions(hidden_sizes=(3, 3))
    student, teacher = (
        Actor(4, 2, 2, options, torch.Generator().manual_seed(seed)).double() for seed in (1, 3)
    )
    stages = torch.eye(2, dtype=torch.float64).repeat(6, 1)
    states, online = (torch.cat((numbers(count, 2, seed=count), stages[:count]), -1) for count in (12, 6))
    return memoryless(student, teacher, states, online)


def categorical() -> Case:
    """APPO's policy without memory in float64."""
    student, teacher = (FeedforwardCategoricalPolicy(Perceptron(seed)) for seed in (1, 3))
    return memoryless(student, teacher, numbers(12, 2, seed=5), numbers(6, 2, seed=6), has_buffer=False)


def memoryless(
    student: Any,
    teacher: Any,
    states: Tensor,
    online: Tensor,
    runs: tuple[int, ...] = (),
    has_buffer: bool = True,  # with runs side by side there is none
) -> Case:
    """A policy on single states ``[*runs, N, D]``: those of the expert, and those of every update."""
    tensors = {"observations": states, "outputs": teacher.outputs(states).detach()}
    size = states.shape[-1]
    if not runs:
        tensors |= {
            "action": numbers(12, 1, seed=7),
            "reward": numbers(12, seed=8),
            "next_observations": states,
            "terminated": torch.zeros(12),
        }
    expert = ExpertDataset(tensors)

    def new_context() -> RetentionContext:
        buffer = ReplayBuffer(20, size, 1) if has_buffer and not runs else None
        generator = torch.Generator().manual_seed(9)
        return RetentionContext(student, teacher, expert, buffer, generator, run_dimensions=len(runs))

    def answers() -> list[Tensor]:
        sample = expert.sampler(8, torch.Generator().manual_seed(2)).sample()
        return [student.outputs(online), teacher.outputs(online), sample.observations, sample.outputs]

    return Case(
        parameters=list(student.parameters()),
        pi_star=list(teacher.parameters()),
        new_context=new_context,
        batch=lambda update: RetentionBatch(student, online, student.outputs(online), update),
        answers=answers,
        step=1e-6,
        tolerance=1e-6,
    )


class Perceptron(nn.Module):
    """One hidden layer and two heads on two-dimensional observations."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.hidden, self.policy, self.baseline = nn.Linear(2, 3), nn.Linear(3, 3), nn.Linear(3, 1)
        self.double()
        generator = torch.Generator().manual_seed(seed)
        for value in self.parameters():
            nn.init.normal_(value, generator=generator)

    def encode(self, observations: Tensor) -> Tensor:
        """Features ``[N, 3]`` of observations ``[N, 2]``."""
        return torch.tanh(self.hidden(observations))

    def logits(self, features: Tensor) -> Tensor:
        """Of three actions, ``[N, 3]``."""
        logits: Tensor = self.policy(features)
        return logits


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
        pi_star=list(pi_star.parameters()),
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
    "side by side": lambda: feedforward((RUNS,)),
    "gaussian": gaussian,
    "categorical": categorical,
    "recurrent": recurrent,
}
# What stands for the policy that a learner trains; with memory in these domains.
OF_LEARNER = {
    "gradient_ascent": "one run",
    "reinforce": "side by side",
    "sac": "gaussian",
    "appo": "categorical",
}
OF_DOMAIN = {"nethack": "recurrent"}
# The kinds that domains have which compare methods, each with such a domain.
LIKE = {
    "side by side": "AppleRetrieval",
    "gaussian": "RoboticSequence",
    "categorical": "Montezuma",
    "recurrent": "NetHack",
}


def offered(name: str) -> frozenset[Need]:
    """What the learners of this kind of student provide."""
    has_buffer = CASES[name]().new_context().replay_buffer is not None
    return frozenset(Need) if has_buffer else frozenset(Need) - {Need.REPLAY_BUFFER}
