"""What a domain gives to the phases; all that is particular to it stays in its folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from fpc.retention.interface import Need

if TYPE_CHECKING:
    import pandas as pd

    from fpc.workflow.run import Run


class Domain(ABC):
    """One domain. ``experiment`` is its validated configuration section, see ``fpc.config``.

    Each verb writes its artifact's files into ``run.output`` (published atomically when it returns),
    keeps what a resume needs in ``run.state``, reads what came before from ``run.parents[phase]``
    (published folders) and calls ``run.report(step, total, **metrics)`` for progress.
    """

    name: ClassVar[str]
    learner: ClassVar[str]
    provides: ClassVar[frozenset[Need]]  # what its learner can give to a retention method

    @abstractmethod
    def pretrain(self, experiment: Any, run: Run) -> None:
        """Make pi*: ``policy.safetensors`` and ``training.parquet`` (step, metric, value)."""

    @abstractmethod
    def collect(self, experiment: Any, run: Run) -> None:
        """Make the expert data of pi*: ``expert.safetensors`` and ``start_states.json``."""

    @abstractmethod
    def finetune(self, experiment: Any, method: str, options: Any, run: Run) -> None:
        """Fine-tune: ``milestones/step_<n>.safetensors`` and ``training.parquet``."""

    @abstractmethod
    def evaluate(self, experiment: Any, method: str, options: Any, run: Run) -> None:
        """Run every probe on every milestone: ``episodes.parquet``."""

    def check(self, experiment: Any, method: str, options: Any) -> None:
        """Refuse options of a method that do not fit the experiment, with the configuration.

        Raises:
            ValueError: ``<key>: <what is wrong, and the mend>``; the key is one of the options.
        """

    def derived_tables(self) -> Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]]:
        """Name -> how to derive that table from the plotted data of a figure; figures import no domain."""
        return {}

    @abstractmethod
    def training_steps(self, experiment: Any, phase: str) -> Mapping[str, int]:
        """Environment steps, updates and episodes of one run of ``phase``, for ``fpc plan``."""
