"""The interface between retention methods and learners.

A method sees a policy only as a function from observations to the parameters of the action distribution, so
one file works with SAC's Gaussian, REINFORCE's Bernoulli and APPO's categorical LSTM policy. Shapes:
observations ``[..., N, D]``, outputs ``[..., N, P]``; the first ``RetentionContext.run_dimensions``
dimensions index independent runs trained side by side.

There is no hidden state: a policy's outputs depend only on its parameters and its inputs, expert data are
never modified, and whatever changes from update to update (a generator, the position in the expert's games,
a recurrent state) is held by the method and is part of its ``state_dict``.

Importing this module does not import torch: the configuration needs every method's options, and building the
DAG must stay fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from pydantic import Field

from fpc.config.base import PositiveInt, Section

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.distributions import Distribution


class Need(StrEnum):
    """What a method requires of a learner; unmet needs are configuration errors."""

    TEACHER = "teacher"  # pi* itself, for observations that only arise during training
    EXPERT_DATA = "expert_data"  # observations from pi*'s rollouts, with pi*'s outputs
    ONLINE_OBSERVATIONS = "online_observations"  # the observations of the learner's own update
    REPLAY_BUFFER = "replay_buffer"  # an off-policy buffer that can hold protected transitions


class Policy(Protocol):
    """A policy as seen by a retention method."""

    def outputs(self, observations: Any) -> Tensor:
        """Parameters ``[..., N, P]`` of the action distribution for observations ``[..., N, D]``.

        A pure function of observations and parameters. A recurrent policy takes a batch of sequences
        instead, each starting from a zero state, and ``N`` counts all their steps; see RecurrentPolicy.
        """
        ...

    def distribution(self, outputs: Tensor) -> Distribution:
        """The action distribution parametrised by ``outputs``, with batch shape ``[..., N]``."""
        ...

    def information(self, outputs: Tensor) -> Tensor:
        """Diagonal ``[..., N, P]`` of the distribution's Fisher information with respect to ``outputs``."""
        ...

    def anchored_parameters(self) -> Mapping[str, torch.nn.Parameter]:
        """Parameters to which a penalty in parameter space applies: the policy's, without per-stage heads."""
        ...


@runtime_checkable
class RecurrentPolicy(Protocol):
    """The additional method of a policy with memory."""

    def unroll(self, sequences: Any, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Outputs ``[N, P]`` along sequences continued from ``state``, and the state after them.

        ``state`` is the state returned for the preceding sequences (no gradient flows through it), or None
        for zeros. It is zeroed wherever a game starts.
        """
        ...


@runtime_checkable
class SquashedPolicy(Protocol):
    """The additional method of a policy that squashes what it draws, such as tanh does."""

    def squashing(self, outputs: Tensor) -> Tensor:
        """Derivatives ``[..., N, P]`` of the squashed outputs by the outputs; 1 where nothing is squashed."""
        ...


def outputs_from(policy: Policy, observations: Any, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Outputs ``[..., N, P]`` and the recurrent state after them (None for a policy without memory)."""
    if isinstance(policy, RecurrentPolicy):
        return policy.unroll(observations, state)
    return policy.outputs(observations), None


@dataclass(frozen=True)
class ExpertBatch:
    """Observations ``[..., N, D]`` (or sequences) of the expert data, with pi*'s outputs ``[..., N, P]``."""

    observations: Any
    outputs: Tensor
    actions: Tensor | None = None  # int64 [..., N]: those of the expert that pi* was cloned from, if kept


class ExpertSampler(Protocol):
    """Draws successive batches of expert data; the method that created it saves its state."""

    def sample(self) -> ExpertBatch:
        """The next batch, determined by the generator and the sampler's own state alone."""
        ...

    def sample_observations(self) -> Any:
        """The observations of the next batch, without computing pi*'s outputs."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """The sampler's state apart from its generator's; empty if states are drawn independently."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue from where ``state_dict`` was taken."""
        ...


class ExpertData(Protocol):
    """The data set written by ``collect``; immutable."""

    def sampler(self, size: int, generator: torch.Generator) -> ExpertSampler:
        """Batches of ``size`` states drawn with ``generator``.

        Single states are drawn uniformly with replacement. Sequences are read game by game in an order that
        depends on the generator's seed.
        """
        ...

    def restricted(self, size: int) -> ExpertData:
        """A smaller data set: the first ``size`` states, which are stored in random order."""
        ...

    def transitions(self) -> Mapping[str, Tensor]:
        """observation, action, reward, next_observation, terminated; ``N`` first in each."""
        ...


class ProtectedBuffer(Protocol):
    """A replay buffer that can keep some transitions permanently."""

    def protect(self, transitions: Mapping[str, Tensor], share: float | None) -> None:
        """Never evict ``transitions``; draw ``share`` of each batch from them (None: sample uniformly)."""
        ...


@dataclass(frozen=True)
class Preparation:
    """How a ``prepare`` that takes hours reports, and continues after a kill.

    Attributes:
        folder: for checkpoints; the learner removes it once its own checkpoint has the result.
        seconds: between two checkpoints.
        report: called after every part of the work with the number of parts done and their total.
    """

    folder: Path
    seconds: float
    report: Callable[[int, int], None]


@dataclass(frozen=True)
class RetentionContext:
    """What a method may use in ``prepare``, before the first update.

    Attributes:
        student: the policy being trained; equal to pi* before the first update.
        teacher: pi*, frozen; None if the method does not need it.
        expert: the expert data; None if the method does not need them.
        replay_buffer: the learner's replay buffer; None for on-policy learners.
        generator: the method's only source of randomness.
        run_dimensions: number of leading dimensions of observations, outputs and anchored parameters that
            index independent runs trained side by side; 0 for a learner that trains one run.
        preparation: None if the learner's ``prepare`` takes seconds and starts over after a kill.
    """

    student: Policy
    teacher: Policy | None
    expert: ExpertData | None
    replay_buffer: ProtectedBuffer | None
    generator: torch.Generator
    run_dimensions: int
    preparation: Preparation | None = None


@dataclass(frozen=True)
class RetentionBatch:
    """One update as seen by a method."""

    student: Policy
    observations: Any
    outputs: Tensor  # the student's at ``observations``, with the autograd graph
    update: int
    # pi*'s at ``observations`` if the learner computes them: a recurrent pi* needs its own state
    teacher_outputs: Tensor | None = None


class MethodOptions(Section):
    """Options common to all methods."""

    steps: PositiveInt | None = Field(
        default=None,
        description="Environment steps of this method, if its budget differs; the experiment must say why.",
    )


class RetentionMethod(ABC):
    """Adds one term to a learner's loss. One subclass per file; the file name is the method's name.

    A penalty is a function of the batch and of ``state_dict``: after ``load_state_dict`` the same batches
    give the same penalties. It does not modify policies, expert data or any generator but the context's.
    """

    label: ClassVar[str]  # short name in figures
    colour: ClassVar[str]  # hex, the same in every figure
    needs: ClassVar[frozenset[Need]] = frozenset()
    pretrained: ClassVar[bool] = True  # start from pi* (False: from a random initialisation)
    adds_term: ClassVar[bool] = True  # False: ``penalty`` is always None
    Options: ClassVar[type[MethodOptions]] = MethodOptions

    def __init__(self, options: Any) -> None:
        self.options = options

    def prepare(self, context: RetentionContext) -> None:
        """Called before the first update, and again if the run is killed before its first checkpoint."""

    @abstractmethod
    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """The term to add, ``[*runs]``: a scalar, or one value per run. None adds nothing."""

    def state_dict(self) -> dict[str, Tensor]:
        """Everything needed to resume: the results of ``prepare`` and whatever changes between updates."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore ``state_dict``; ``context`` supplies what is not worth storing, such as the teacher."""
