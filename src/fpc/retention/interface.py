"""The one joint between retention methods and learners.

A method sees a policy only as "the parameters of your action distribution for these observations",
so one file serves SAC's Gaussian, REINFORCE's Bernoulli and APPO's categorical LSTM. Shapes:
observations ``[..., N, D]``, outputs ``[..., N, P]``; leading dimensions, where a learner has them,
are independent runs trained side by side.

Importing this module does not import torch: the configuration needs the options of each method,
and building the DAG must stay fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import Field

from fpc.config.base import PositiveInt, Section

if TYPE_CHECKING:
    import torch
    from torch import Tensor
    from torch.distributions import Distribution


class Need(StrEnum):
    """What a method asks of its learner; a pair that cannot be met is refused with the configuration."""

    TEACHER = "teacher"  # pi* itself, for observations that only turn up in training
    EXPERT_DATA = "expert_data"  # observations of pi* with pi*'s outputs
    ONLINE_OBSERVATIONS = "online_observations"  # the observations of the learner's own update
    REPLAY_BUFFER = "replay_buffer"  # an off-policy buffer that can hold protected transitions


class Policy(Protocol):
    """A policy as a retention method may see it."""

    def outputs(self, observations: Any) -> Tensor:
        """Parameters ``[..., N, P]`` of the action distribution for observations ``[..., N, D]``.

        A recurrent policy takes a batch of sequences instead, and ``N`` counts all their steps.
        """
        ...

    def distribution(self, outputs: Tensor) -> Distribution:
        """The action distribution with batch shape ``[..., N]`` that ``outputs`` stand for."""
        ...

    def information(self, outputs: Tensor) -> Tensor:
        """Diagonal ``[..., N, P]`` of the Fisher information of the distribution about its outputs."""
        ...

    def anchored_parameters(self) -> Mapping[str, torch.nn.Parameter]:
        """Parameters that a penalty in parameter space holds: the policy's, without per-stage heads."""
        ...


@dataclass(frozen=True)
class ExpertBatch:
    """Observations ``[..., N, D]`` (or sequences) of pi* and pi*'s outputs ``[..., N, P]`` there."""

    observations: Any
    outputs: Tensor


class ExpertData(Protocol):
    """The data set that ``collect`` made."""

    def sample(self, size: int, generator: torch.Generator) -> ExpertBatch:
        """``size`` states drawn uniformly with replacement."""
        ...

    def observations(self, size: int, generator: torch.Generator) -> Any:
        """The observations of ``sample`` alone."""
        ...

    def restricted(self, size: int) -> ExpertData:
        """The first ``size`` states (they are stored in random order), for a smaller memory."""
        ...

    def transitions(self) -> Mapping[str, Tensor]:
        """observation, action, reward, next_observation, terminated; ``N`` first in each."""
        ...


class ProtectedBuffer(Protocol):
    """A replay buffer that keeps some transitions for good."""

    def protect(self, transitions: Mapping[str, Tensor], share: float | None) -> None:
        """Hold ``transitions`` for good; ``share`` of each batch comes from them (None: uniform)."""
        ...


@dataclass(frozen=True)
class RetentionContext:
    """What a method may use once, before the first update."""

    student: Policy
    teacher: Policy | None
    expert: ExpertData | None
    replay_buffer: ProtectedBuffer | None
    generator: torch.Generator


@dataclass(frozen=True)
class RetentionBatch:
    """One update as a method sees it."""

    student: Policy
    observations: Any
    outputs: Tensor  # the student's, at ``observations``, with its graph
    update: int
    # pi*'s at ``observations``, where a learner has them already (a recurrent pi* walks beside the student)
    teacher_outputs: Tensor | None = None


class MethodOptions(Section):
    """Options every method has."""

    steps: PositiveInt | None = Field(
        default=None,
        description="Environment steps of this method alone; the experiment must say why budgets differ.",
    )


class RetentionMethod(ABC):
    """Adds one term to a learner's loss. One subclass a file; the file's name is the method's."""

    label: ClassVar[str]  # short name in figures
    colour: ClassVar[str]  # hex, the same in every figure
    needs: ClassVar[frozenset[Need]] = frozenset()
    pretrained: ClassVar[bool] = True  # start from pi* (False: from a new initialisation)
    Options: ClassVar[type[MethodOptions]] = MethodOptions

    def __init__(self, options: Any) -> None:
        self.options = options

    def prepare(self, context: RetentionContext) -> None:
        """Called once before the first update and not after a resume."""

    @abstractmethod
    def penalty(self, batch: RetentionBatch) -> Tensor | None:
        """The term to add, a scalar or one value a run; None where the method adds nothing."""

    def state_dict(self) -> dict[str, Tensor]:
        """All that ``prepare`` made and a resume must find again."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore ``state_dict``; ``context`` is there for what is not worth storing (the teacher)."""
