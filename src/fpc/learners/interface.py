"""The joint between domains and learners. Importing it imports no torch.

A learner is a package or a module of ``fpc.learners`` with one subclass of ``Learner``; a domain names
its learner by that class. What a run needs is a ``Specification``, which each learner extends; what a
run gives is ``Trained``, the same for all.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from fpc.retention.interface import Need, RetentionMethod

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

Weights: TypeAlias = "Mapping[str, Tensor]"


class Report(Protocol):
    """Called as training goes on."""

    def __call__(self, step: int, total: int, **measures: float) -> None:
        """``step`` of ``total`` are done; ``measures`` are of what was done last."""


@dataclass(frozen=True, kw_only=True)
class Specification:
    """What every learner must be told. A learner's own specification adds what only it needs."""

    seeds: tuple[int, ...]  # of the runs that are trained side by side; most learners train one
    steps: int  # environment steps, or updates where the learner's specification says so
    state: Path  # folder of all that a resume needs
    report: Report
    checkpoint_seconds: float = 60.0  # at most this much training is lost by a kill
    method: RetentionMethod | None = None  # None adds nothing to the loss
    milestones: tuple[int, ...] = ()
    # Called with (step, policy, critic) for each milestone, in rising order, at that step or at the end of
    # training; a resumed run calls it again, with equal weights, for those after its checkpoint.
    on_milestone: Callable[[int, Weights, Weights], None] | None = None

    @property
    def seed(self) -> int:
        """The only seed of a learner that trains one run."""
        (seed,) = self.seeds
        return seed


@dataclass(frozen=True)
class Trained:
    """What training gives."""

    policy: Weights  # what acts, with whatever shares its network
    critic: Weights  # empty where the learner has none, or it is part of the policy's network
    table: pd.DataFrame  # step, metric, value, and seed (or run, where more than seeds are side by side)
    finished: bool = True  # False where training was stopped before its last step, see the specification


SpecificationT = TypeVar("SpecificationT", bound=Specification, contravariant=True)


class Learner(ABC, Generic[SpecificationT]):
    """An algorithm that trains a policy, resumable after a kill at any time."""

    name: ClassVar[str]
    provides: ClassVar[frozenset[Need]] = frozenset()  # what it can give to a retention method

    @abstractmethod
    def train(self, specification: SpecificationT) -> Trained:
        """Train to the last step, from the newest checkpoint in ``specification.state`` if there is one.

        Raises:
            NoUsableCheckpoint: checkpoints exist and none can be read.
            Interrupted: a signal asked to stop; all was saved.
        """
