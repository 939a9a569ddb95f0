"""The taxi domain: APPO on Gymnasium's Taxi-v3; pi* can carry a passenger to the destination."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from fpc.domains.interface import Domain, Run
from fpc.domains.taxi.config import TaxiExperiment
from fpc.learners.appo import APPO
from fpc.learners.interface import Learner
from fpc.retention.interface import MethodOptions


class Taxi(Domain[TaxiExperiment]):
    """Close is the way to the passenger; Far is the ride to the destination."""

    name: ClassVar[str] = "taxi"
    learner: ClassVar[Learner[Any]] = APPO()

    def pretrain(self, experiment: TaxiExperiment, run: Run) -> None:
        """Learn rides."""
        from fpc.domains.taxi.phases import pretrain

        pretrain(experiment, run)

    def collect(self, experiment: TaxiExperiment, run: Run) -> None:
        """Record rides of pi*."""
        from fpc.domains.taxi.phases import collect

        collect(experiment, run)

    def finetune(self, experiment: TaxiExperiment, method: str, options: MethodOptions, run: Run) -> None:
        """Learn whole games."""
        from fpc.domains.taxi.phases import finetune

        finetune(experiment, method, options, run)

    def evaluate(self, experiment: TaxiExperiment, method: str, options: MethodOptions, run: Run) -> None:
        """Play rides and whole games."""
        from fpc.domains.taxi.phases import evaluate

        evaluate(experiment, run)

    def collected_states(self, experiment: TaxiExperiment) -> int:
        """``collect.states``."""
        return experiment.collect.states

    def training_steps(self, experiment: TaxiExperiment, phase: str) -> Mapping[str, int]:
        """Upper bounds, as games may end before their step limit."""
        games = 2 * experiment.evaluate.episodes * len(experiment.finetune.milestones())
        steps = {
            "pretrain": experiment.pretrain.steps,
            "collect": experiment.collect.states,
            "finetune": experiment.finetune.steps,
            "evaluate": games * experiment.environment.max_steps,
        }
        return {
            "environment_steps": steps[phase],
            "updates": 0,
            "episodes": games if phase == "evaluate" else 0,
        }


DOMAIN = Taxi()
