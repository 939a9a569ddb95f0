"""Montezuma's Revenge as a domain: APPO with RND; pi* is good from Room 7 on (state coverage gap)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from fpc.domains.footprint import Footprint
from fpc.domains.interface import PiStarDomain, Run, Trial
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.learners.appo import APPO
from fpc.learners.interface import Learner
from fpc.retention.interface import MethodOptions

if TYPE_CHECKING:
    import pandas as pd


class Montezuma(PiStarDomain[MontezumaExperiment]):
    """Close is the game up to Room 7; Far is Room 7 and everything after it."""

    name: ClassVar[str] = "montezuma"
    learner: ClassVar[Learner[Any]] = APPO()
    gpu_phases: ClassVar[frozenset[str]] = frozenset({"pretrain", "collect", "finetune", "evaluate"})

    def pretrain(self, experiment: MontezumaExperiment, run: Run) -> None:
        """The expert's start states and demonstrations, and ``policy.safetensors``."""
        from fpc.domains.montezuma.pretraining import pretrain

        pretrain(experiment, run)

    def collect(self, experiment: MontezumaExperiment, run: Run) -> None:
        """pi*'s states from the room on, and the start states of the probe."""
        from fpc.domains.montezuma.collecting import collect

        collect(experiment, run)

    def finetune(
        self, experiment: MontezumaExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """``milestones/step_<n>.safetensors`` and ``training.parquet``."""
        from fpc.domains.montezuma.finetuning import finetune

        finetune(experiment, method, options, run)

    def evaluate(
        self, experiment: MontezumaExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """``episodes.parquet``."""
        from fpc.domains.montezuma.evaluation import evaluate

        evaluate(experiment, run)

    def evaluate_pi_star(self, experiment: MontezumaExperiment, run: Run) -> None:
        """The tables of ``evaluate`` for pi* itself."""
        from fpc.domains.montezuma.evaluation import evaluate_pi_star

        evaluate_pi_star(experiment, run)

    def derived_tables(self) -> Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]]:
        """The tables ``rooms`` and ``frames``."""
        from fpc.domains.montezuma.derived_tables import DERIVED

        return DERIVED

    def collected_states(self, experiment: MontezumaExperiment) -> int:
        """``collect.states``."""
        return experiment.collect.states

    def footprint(self, experiment: MontezumaExperiment, phase: str) -> Footprint:
        """From the sizes of the networks and of the collected data."""
        from fpc.domains.montezuma.footprint import footprint

        return footprint(experiment, phase)

    def trial(self, experiment: MontezumaExperiment, pi_star: Path) -> Trial:
        """Fine-tuning from untrained networks."""
        from fpc.domains.montezuma.trial import trial

        return trial(experiment, pi_star)

    def training_steps(self, experiment: MontezumaExperiment, phase: str) -> Mapping[str, int]:
        """Upper bounds, as games may end before their step limit."""
        return _STEPS[phase](experiment)


def _pretrain_steps(experiment: MontezumaExperiment) -> dict[str, int]:
    section = experiment.pretrain
    expert = section.expert
    steps = section.steps + section.probe_episodes * 2 * experiment.environment.room_max_steps
    if expert.recipe == "go_explore" and expert.go_explore is not None:
        steps += expert.go_explore.steps
    elif expert.ppo_rnd is not None:
        steps += expert.ppo_rnd.steps + expert.ppo_rnd.trajectories * experiment.environment.max_steps
    return {"environment_steps": steps, "updates": 0, "episodes": 2 * section.probe_episodes}


def _collect_steps(experiment: MontezumaExperiment) -> dict[str, int]:
    section = experiment.collect
    steps = section.trajectories * section.max_steps
    return {"environment_steps": steps, "updates": 0, "episodes": section.trajectories}


def _finetune_steps(experiment: MontezumaExperiment) -> dict[str, int]:
    section = experiment.finetune
    updates = section.steps // section.appo.batch_size * section.appo.epochs
    return {"environment_steps": section.steps, "updates": updates, "episodes": 0}


def _evaluate_steps(experiment: MontezumaExperiment) -> dict[str, int]:
    section, finetune = experiment.evaluate, experiment.finetune
    milestones = len(finetune.milestones())
    attempts = (milestones + 1) * section.episodes
    games = milestones * section.start_episodes
    steps = attempts * experiment.environment.room_max_steps + games * section.max_steps
    return {"environment_steps": steps, "updates": 0, "episodes": attempts + games}


_STEPS = {
    "pretrain": _pretrain_steps,
    "collect": _collect_steps,
    "finetune": _finetune_steps,
    "evaluate": _evaluate_steps,
}
DOMAIN = Montezuma()
