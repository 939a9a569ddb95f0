"""The interface between domains and learners. Importing it does not import torch.

A learner is a package or module of ``fpc.learners`` with one subclass of ``Learner``; a domain refers to its
learner by that class. The input of a run is a ``Specification``, which each learner extends; its result is
``Trained``, the same for all learners.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeAlias, TypeVar

from fpc.core.device import Device
from fpc.retention.interface import Need, RetentionMethod

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

# In an environment's info: the Far probe (or any room) it is at now, named as in episodes.parquet.
VISITED = "visited"
Weights: TypeAlias = "Mapping[str, Tensor]"


class Report(Protocol):
    """Progress callback of training."""

    def __call__(self, step: int, total: int, **measures: float) -> None:
        """``step`` of ``total`` steps are done; ``measures`` describe the most recent ones."""


@dataclass(frozen=True, kw_only=True)
class Specification:
    """The inputs common to all learners; each learner's own specification adds what only it needs."""

    seeds: tuple[int, ...]  # one per run trained side by side; most learners train a single run
    # Part of every random stream (fpc.core.seeds.stream_of): pre-training and fine-tuning share no episode.
    phase: str = "finetune"
    steps: int  # environment steps, or updates if the learner's specification says so
    state: Path  # folder of everything needed to resume
    report: Report
    device: Device = "cpu"  # where networks are trained
    # Called with the name of each device that was used (fpc.core.device.device_name).
    on_device: Callable[[str], None] = lambda name: None
    checkpoint_seconds: float = 60.0  # maximum time between checkpoints: what a kill can cost
    method: RetentionMethod | None = None  # None adds nothing to the loss
    milestones: tuple[int, ...] = ()
    # Called with (step, policy, critic) for each milestone, in ascending order, at that step or at the end of
    # training; a resumed run calls it again, with the same weights, for milestones after its checkpoint.
    on_milestone: Callable[[int, Weights, Weights], None] | None = None

    @property
    def stream(self) -> tuple[int, int]:
        """The random stream of a learner that trains a single run, to be extended by its uses."""
        from fpc.core.seeds import stream_of

        return stream_of(self.seed, self.phase)

    @property
    def seed(self) -> int:
        """The seed of a learner that trains a single run; ValueError if there are several."""
        (seed,) = self.seeds
        return seed


@dataclass(frozen=True)
class Trained:
    """The result of training."""

    policy: Weights  # the acting policy, including everything that shares its network
    critic: Weights  # empty if there is none or it is part of the policy's network
    # Columns step, metric, value, and seed (or run, if runs side by side differ in more than their seed).
    table: pd.DataFrame
    finished: bool = True  # False if training stopped before its last step, see the specification


SpecificationT = TypeVar("SpecificationT", bound=Specification, contravariant=True)


class Learner(ABC, Generic[SpecificationT]):
    """An algorithm that trains a policy and can resume after being killed at any time."""

    name: ClassVar[str]
    provides: ClassVar[frozenset[Need]] = frozenset()  # what it can provide to a retention method

    @abstractmethod
    def train(self, specification: SpecificationT) -> Trained:
        """Train to the last step, from the newest checkpoint in ``specification.state`` if there is one.

        Raises:
            NoUsableCheckpoint: checkpoints exist and none can be read.
            Interrupted: a signal was received; everything was saved.
        """
