"""AppleRetrieval as a domain: all conditions and seeds of an experiment are trained in parallel.

One step on the step axis is one episode. Files hold one number for each of the K runs, ordered by
condition (as configured), with seeds varying fastest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from fpc.domains.apple_retrieval.config import AppleRetrievalExperiment
from fpc.domains.interface import Domain, Run
from fpc.learners.interface import Learner
from fpc.learners.reinforce import Reinforce
from fpc.retention.interface import MethodOptions


class AppleRetrieval(Domain[AppleRetrievalExperiment]):
    """Close is phase 1 (to the apple), Far is phase 2 (back home)."""

    name: ClassVar[str] = "apple_retrieval"
    learner: ClassVar[Learner[Any]] = Reinforce()

    def pretrain(self, experiment: AppleRetrievalExperiment, run: Run) -> None:
        """REINFORCE on phase 2: ``policy.safetensors`` (weight, bias: float64 ``[K]``)."""
        from fpc.domains.apple_retrieval import training

        training.pretrain(experiment, run)

    def collect(self, experiment: AppleRetrievalExperiment, run: Run) -> None:
        """pi* in phase 2: ``expert.safetensors`` (observations, outputs: float64 ``[K, N, 1]``)."""
        from fpc.domains.apple_retrieval import training

        training.collect(experiment, run)

    def finetune(
        self, experiment: AppleRetrievalExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """REINFORCE on the whole task; ``options.steps`` counts episodes here."""
        from fpc.domains.apple_retrieval import training

        training.finetune(experiment, method, options, run)

    def evaluate(
        self, experiment: AppleRetrievalExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """Every probe on every milestone: ``episodes.parquet``."""
        from fpc.domains.apple_retrieval import evaluation

        evaluation.evaluate(experiment, run)

    def collected_states(self, experiment: AppleRetrievalExperiment) -> int:
        """``collect.states``, the number of states kept for each pi*."""
        return experiment.collect.states

    def training_steps(self, experiment: AppleRetrievalExperiment, phase: str) -> Mapping[str, int]:
        """Environment steps (an upper bound), updates and episodes, summed over a run's seeds."""
        runs = len(experiment.environment.conditions) * experiment.seeds_per_run
        updates, episodes = 0, 0
        if phase == "pretrain":
            updates = experiment.pretrain.updates
            episodes = updates * experiment.pretrain.episodes_per_update * runs
        elif phase == "finetune":
            updates = experiment.finetune.updates
            episodes = updates * experiment.finetune.episodes_per_update * runs
        elif phase == "evaluate":
            episodes = 3 * (experiment.finetune.milestones + 1) * experiment.evaluate.episodes * runs
        steps = episodes * experiment.environment.max_steps
        return {"environment_steps": steps, "updates": updates, "episodes": episodes}


DOMAIN = AppleRetrieval()
