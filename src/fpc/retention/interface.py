"""The one joint between retention methods and learners.

A method sees a policy only as "the parameters of your action distribution for these observations",
so one file serves SAC's Gaussian, REINFORCE's Bernoulli and APPO's categorical LSTM. Shapes:
observations ``[..., N, D]``, outputs ``[..., N, P]``; the leading dimensions, as many as
``RetentionContext.run_dimensions`` says, count independent runs trained side by side.

Nothing here changes behind anyone's back: a policy's outputs depend on its parameters and on what it
is given, expert data are never altered, and what moves from update to update (a generator, a place in
the expert's games, a recurrent state) is held by the method and part of its ``state_dict``.

Importing this module does not import torch: the configuration needs the options of each method,
and building the DAG must stay fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

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

        A pure function of observations and parameters. A recurrent policy takes a batch of sequences
        instead, each from a state of zeros, and ``N`` counts all their steps; see RecurrentPolicy.
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


@runtime_checkable
class RecurrentPolicy(Protocol):
    """What a policy with memory has besides."""

    def unroll(self, sequences: Any, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Outputs ``[N, P]`` along sequences that go on from ``state``, and the state after them.

        ``state`` is what an earlier call returned for the sequences before these (no gradient flows
        through it), or None: zeros. It is zeroed wherever a game starts.
        """
        ...


def outputs_from(policy: Policy, observations: Any, state: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Outputs ``[..., N, P]`` and the recurrent state after them; None for a policy without memory."""
    if isinstance(policy, RecurrentPolicy):
        return policy.unroll(observations, state)
    return policy.outputs(observations), None


@dataclass(frozen=True)
class ExpertBatch:
    """Observations ``[..., N, D]`` (or sequences) of pi* and pi*'s outputs ``[..., N, P]`` there."""

    observations: Any
    outputs: Tensor


class ExpertSampler(Protocol):
    """Draws batches of expert data, one after the other; whoever made it saves its state."""

    def sample(self) -> ExpertBatch:
        """The next batch. It follows from the generator alone, and from ``state_dict`` where there is one."""
        ...

    def sample_observations(self) -> Any:
        """The observations of ``sample``, without computing pi*'s outputs."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Where it stands, besides the generator's state; empty for states drawn at random."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on where ``state_dict`` was taken."""
        ...


class ExpertData(Protocol):
    """The data set that ``collect`` made; nothing here changes it."""

    def sampler(self, size: int, generator: torch.Generator) -> ExpertSampler:
        """Batches of ``size`` states drawn with ``generator``.

        Single states are drawn uniformly with replacement, at every ``sample``. Sequences are read game
        after game in an order that follows from the generator's seed.
        """
        ...

    def restricted(self, size: int) -> ExpertData:
        """A data set of the first ``size`` states (they are stored in random order): a smaller memory."""
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
    """What a method may use once, before the first update.

    Attributes:
        student: the policy that is trained; equal to pi* before the first update.
        teacher: pi*, frozen; None where no method asks for it.
        expert: the expert data; None where no method asks for them.
        replay_buffer: the learner's; None for on-policy learners.
        generator: for all that the method draws.
        run_dimensions: leading dimensions of observations, outputs and anchored parameters that count
            independent runs trained side by side; 0 for a learner of one run.
    """

    student: Policy
    teacher: Policy | None
    expert: ExpertData | None
    replay_buffer: ProtectedBuffer | None
    generator: torch.Generator
    run_dimensions: int


@dataclass(frozen=True)
class RetentionBatch:
    """One update as a method sees it."""

    student: Policy
    observations: Any
    outputs: Tensor  # the student's, at ``observations``, with its graph
    update: int
    # pi*'s at ``observations``, where the learner has them already: a recurrent pi* needs its own state
    teacher_outputs: Tensor | None = None


class MethodOptions(Section):
    """Options every method has."""

    steps: PositiveInt | None = Field(
        default=None,
        description="Environment steps of this method alone; the experiment must say why budgets differ.",
    )


class RetentionMethod(ABC):
    """Adds one term to a learner's loss. One subclass a file; the file's name is the method's.

    A penalty is a function of the batch and of ``state_dict``: after ``load_state_dict`` the same batches
    give the same penalties. It changes neither policy, expert data nor any generator but the context's.
    """

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
        """The term to add, ``[*runs]``: a scalar, or one value a run; None where the method adds nothing."""

    def state_dict(self) -> dict[str, Tensor]:
        """All that a resume must find again: what ``prepare`` made and what moves from update to update."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor], context: RetentionContext) -> None:
        """Restore ``state_dict``; ``context`` is there for what is not worth storing (the teacher)."""
