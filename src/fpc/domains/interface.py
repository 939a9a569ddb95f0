"""The interface of a domain to the phases; everything specific to a domain stays in its folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from fpc.config.experiment import Experiment
from fpc.core.device import Device
from fpc.core.errors import UserError
from fpc.domains.footprint import TABLES, Footprint
from fpc.learners.interface import Learner
from fpc.retention.interface import MethodOptions

if TYPE_CHECKING:
    import pandas as pd


class Run(Protocol):
    """A run as its domain sees it."""

    @property
    def experiment(self) -> str:
        """Name of the experiment."""

    @property
    def phase(self) -> str:
        """pretrain, collect, finetune or evaluate."""

    @property
    def method(self) -> str | None:
        """The retention method; None in phases without one."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that the run trains in parallel."""

    @property
    def seed(self) -> int:
        """The seed of a run that has exactly one."""

    @property
    def state(self) -> Path:
        """Folder for everything needed to resume, kept until the output is published."""

    @property
    def output(self) -> Path:
        """Folder that becomes the artifact."""

    @property
    def parents(self) -> Mapping[str, Path]:
        """Phase -> published folder that this run reads."""

    @property
    def externals(self) -> dict[str, str]:
        """URL -> sha256 of third-party files that this run read; the domain adds to it."""

    @property
    def checkpoint_seconds(self) -> float:
        """Seconds between checkpoints: the most training that a kill can lose."""

    @property
    def device(self) -> Device:
        """Where networks run, decided by ``plan.jobs``; never by what the machine happens to have."""

    def note_device(self, name: str) -> None:
        """Note the name of a device that networks were run on (``fpc.core.device.device_name``)."""

    def report(self, step: int, total: int, **metrics: float) -> None:
        """Report progress; cheap enough to call after every episode."""


@dataclass(frozen=True)
class NeededInput:
    """A third-party file or folder that runs of an experiment read; nothing in this project makes it."""

    name: str
    path: Path  # where it is looked for
    phases: tuple[str, ...]  # phases that read it
    problem: str | None  # what is wrong with it; None if it is there
    commands: tuple[str, ...] = ()  # what fixes that, in this order
    bytes: int = 0  # that it takes on the disk, about
    files: int = 0
    size_source: str = "not known"


@dataclass(frozen=True)
class Trial:
    """A training that is run for a while to measure its speed: `vanilla` fine-tuning of ``experiment``."""

    experiment: Experiment
    phases: tuple[str, ...]  # those whose work is of this kind


class UnacceptablePolicy(UserError):
    """pi* is not good enough to be fine-tuned; the text says what is wrong and how to fix it."""


ExperimentT = TypeVar("ExperimentT", bound=Experiment, contravariant=True)


class Domain(ABC, Generic[ExperimentT]):
    """A domain, parametrised by the type of its experiments (its validated configuration section).

    Each phase method writes its artifact's files to ``run.output`` (published atomically when it returns),
    keeps whatever it needs to resume in ``run.state``, reads earlier phases from ``run.parents[phase]``
    (published folders) and reports progress with ``run.report(step, total, **metrics)``.
    """

    name: ClassVar[str]
    learner: ClassVar[Learner[Any]]  # what it provides determines which methods can run
    gpu_phases: ClassVar[frozenset[str]] = frozenset()  # that run on ``run.device``; the others use CPUs only

    @abstractmethod
    def pretrain(self, experiment: ExperimentT, run: Run) -> None:
        """Train pi*: ``policy.safetensors`` and ``training.parquet`` (step, metric, value)."""

    @abstractmethod
    def collect(self, experiment: ExperimentT, run: Run) -> None:
        """Collect pi*'s expert data: ``expert.safetensors`` and ``start_states.json``."""

    @abstractmethod
    def finetune(self, experiment: ExperimentT, method: str, options: MethodOptions, run: Run) -> None:
        """Fine-tune: ``milestones/step_<n>.safetensors`` and ``training.parquet``."""

    @abstractmethod
    def evaluate(self, experiment: ExperimentT, method: str, options: MethodOptions, run: Run) -> None:
        """Run every probe on every milestone: ``episodes.parquet``."""

    def collected_states(self, experiment: ExperimentT) -> int | None:
        """Number of pi*'s states that ``collect`` keeps; None where memory is not measured in states."""
        return None

    def check(self, experiment: ExperimentT, method: str, options: MethodOptions) -> None:
        """Reject method options that do not fit the experiment, when the configuration is loaded.

        By default: a memory larger than the number of collected states, and an expert's actions as targets.

        Raises:
            ValueError: ``<key>: <what is wrong, and how to fix it>``, where the key is one of the options.
        """
        if getattr(options, "target", None) == "expert_action":
            raise ValueError(
                "target: expert_action needs the actions of the expert that pi* was cloned from, which "
                f"{self.name} does not collect; set target: pi_star"
            )
        size, collected = getattr(options, "memory_size", None), self.collected_states(experiment)
        if size is not None and collected is not None and size > collected:
            raise ValueError(
                f"memory_size: {size} exceeds the {collected} collected states. "
                "Lower it, or raise collect.states."
            )

    def needed_inputs(self, experiment: ExperimentT) -> list[NeededInput]:
        """Third-party inputs of an experiment's runs, present or not; by default none. Downloads nothing."""
        return []

    def footprint(self, experiment: ExperimentT, phase: str) -> Footprint:
        """What one run of a phase leaves on the disk, estimated; by default some small files."""
        return Footprint(TABLES, 25)

    def trial(self, experiment: ExperimentT, pi_star: Path) -> Trial | None:
        """The experiment's training at full sizes, for measuring; None where it takes minutes anyway.

        Args:
            experiment: the experiment.
            pi_star: folder for an untrained policy that stands for pi*.
        """
        return None

    def derived_tables(self) -> Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]]:
        """Name -> function deriving that table from a figure's plotted data, as figures import no domain."""
        return {}

    @abstractmethod
    def training_steps(self, experiment: ExperimentT, phase: str) -> Mapping[str, int]:
        """Environment steps, updates and episodes of one run of ``phase``, for ``fpc plan``."""

    def pi_star_steps(self, experiment: ExperimentT) -> Mapping[str, int]:
        """The same for the evaluation of pi* itself; by default those of a method's evaluation."""
        return self.training_steps(experiment, "evaluate")


class PiStarDomain(Domain[ExperimentT]):
    """A domain that measures pi* by itself, once, as step 0 of all methods that start from it.

    The others, where a measurement is exact or cheap, measure pi* in each run.
    """

    @abstractmethod
    def evaluate_pi_star(self, experiment: ExperimentT, run: Run) -> None:
        """Run every probe on pi*, with many episodes: the tables of ``evaluate``, method ``pi_star``."""
