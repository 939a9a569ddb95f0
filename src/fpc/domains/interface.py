"""What a domain gives to the phases; all that is particular to it stays in its folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from fpc.config.experiment import Experiment
from fpc.learners.interface import Learner
from fpc.retention.interface import MethodOptions

if TYPE_CHECKING:
    import pandas as pd


class Run(Protocol):
    """What a domain sees of the run it works for."""

    @property
    def experiment(self) -> str:
        """Name of the experiment."""

    @property
    def phase(self) -> str:
        """pretrain, collect, finetune or evaluate."""

    @property
    def method(self) -> str | None:
        """The retention method; None where the phase has none."""

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that the run works on side by side."""

    @property
    def seed(self) -> int:
        """The only seed, of a run that has one."""

    @property
    def state(self) -> Path:
        """Folder of what a resume needs, kept until the output is published."""

    @property
    def output(self) -> Path:
        """Folder that becomes the artifact."""

    @property
    def parents(self) -> Mapping[str, Path]:
        """Phase -> published folder that this run is made from."""

    @property
    def externals(self) -> dict[str, str]:
        """Address -> sha256 of what others published and this run read; the domain adds to it."""

    @property
    def checkpoint_seconds(self) -> float:
        """At most this much training is lost by a kill."""

    def report(self, step: int, total: int, **metrics: float) -> None:
        """Tell how far the run is; cheap enough to call every episode."""


ExperimentT = TypeVar("ExperimentT", bound=Experiment, contravariant=True)


class Domain(ABC, Generic[ExperimentT]):
    """One domain, with the type of its experiments: its validated configuration section.

    Each verb writes its artifact's files into ``run.output`` (published atomically when it returns),
    keeps what a resume needs in ``run.state``, reads what came before from ``run.parents[phase]``
    (published folders) and calls ``run.report(step, total, **metrics)`` for progress.
    """

    name: ClassVar[str]
    learner: ClassVar[Learner[Any]]  # what it provides decides which methods can run here

    @abstractmethod
    def pretrain(self, experiment: ExperimentT, run: Run) -> None:
        """Make pi*: ``policy.safetensors`` and ``training.parquet`` (step, metric, value)."""

    @abstractmethod
    def collect(self, experiment: ExperimentT, run: Run) -> None:
        """Make the expert data of pi*: ``expert.safetensors`` and ``start_states.json``."""

    @abstractmethod
    def finetune(self, experiment: ExperimentT, method: str, options: MethodOptions, run: Run) -> None:
        """Fine-tune: ``milestones/step_<n>.safetensors`` and ``training.parquet``."""

    @abstractmethod
    def evaluate(self, experiment: ExperimentT, method: str, options: MethodOptions, run: Run) -> None:
        """Run every probe on every milestone: ``episodes.parquet``."""

    def collected_states(self, experiment: ExperimentT) -> int | None:
        """States of pi* that ``collect`` keeps; None where a method's memory is not counted in them."""
        return None

    def check(self, experiment: ExperimentT, method: str, options: MethodOptions) -> None:
        """Refuse options of a method that do not fit the experiment, with the configuration.

        By default those of a memory that is larger than what is collected.

        Raises:
            ValueError: ``<key>: <what is wrong, and how to fix it>``; the key is one of the options.
        """
        size, collected = getattr(options, "memory_size", None), self.collected_states(experiment)
        if size is not None and collected is not None and size > collected:
            raise ValueError(
                f"memory_size: {size} is more than is collected ({collected} states). "
                "Lower it, or raise collect.states."
            )

    def derived_tables(self) -> Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]]:
        """Name -> how to derive that table from the plotted data of a figure; figures import no domain."""
        return {}

    @abstractmethod
    def training_steps(self, experiment: ExperimentT, phase: str) -> Mapping[str, int]:
        """Environment steps, updates and episodes of one run of ``phase``, for ``fpc plan``."""
