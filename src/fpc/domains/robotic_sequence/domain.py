"""RoboticSequence as a domain: SAC with one head per stage; pi* is good in the pre-trained stages only."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from fpc.domains.footprint import Footprint
from fpc.domains.interface import PiStarDomain, Run, Trial
from fpc.domains.robotic_sequence.config import RoboticSequenceExperiment
from fpc.learners.interface import Learner
from fpc.learners.sac import SAC
from fpc.retention.interface import MethodOptions


class RoboticSequence(PiStarDomain[RoboticSequenceExperiment]):
    """Close stages come first and are new to pi*; Far stages are those it was pre-trained on."""

    name: ClassVar[str] = "robotic_sequence"
    learner: ClassVar[Learner[Any]] = SAC()
    gpu_phases: ClassVar[frozenset[str]] = frozenset({"finetune"})

    def pretrain(self, experiment: RoboticSequenceExperiment, run: Run) -> None:
        """``policy.safetensors``, ``critic.safetensors`` and ``training.parquet``."""
        from fpc.domains.robotic_sequence.pretraining import pretrain

        pretrain(experiment, run)

    def collect(self, experiment: RoboticSequenceExperiment, run: Run) -> None:
        """``expert.safetensors``, ``analysis.safetensors`` and ``start_states.json``."""
        from fpc.domains.robotic_sequence.collecting import collect

        collect(experiment, run)

    def finetune(
        self, experiment: RoboticSequenceExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """``milestones/step_<n>.safetensors`` (``actor.``..., ``critic.``...) and ``training.parquet``."""
        from fpc.domains.robotic_sequence.finetuning import finetune

        finetune(experiment, method, options, run)

    def evaluate(
        self, experiment: RoboticSequenceExperiment, method: str, options: MethodOptions, run: Run
    ) -> None:
        """``episodes.parquet`` and, with analysis, ``representation.parquet`` and ``states.parquet``."""
        from fpc.domains.robotic_sequence.evaluation import evaluate

        evaluate(experiment, run)

    def evaluate_pi_star(self, experiment: RoboticSequenceExperiment, run: Run) -> None:
        """The tables of ``evaluate`` for pi* itself."""
        from fpc.domains.robotic_sequence.evaluation import evaluate_pi_star

        evaluate_pi_star(experiment, run)

    def collected_states(self, experiment: RoboticSequenceExperiment) -> int:
        """``collect.states``."""
        return experiment.collect.states

    def footprint(self, experiment: RoboticSequenceExperiment, phase: str) -> Footprint:
        """From the sizes of the networks and of the collected data."""
        from fpc.domains.robotic_sequence.footprint import footprint

        return footprint(experiment, phase)

    def trial(self, experiment: RoboticSequenceExperiment, pi_star: Path) -> Trial:
        """Fine-tuning from untrained networks."""
        from fpc.domains.robotic_sequence.trial import trial

        return trial(experiment, pi_star)

    def training_steps(self, experiment: RoboticSequenceExperiment, phase: str) -> Mapping[str, int]:
        """Upper bounds, as episodes and SAC's pre-training may end early."""
        return _STEPS[phase](experiment)

    def pi_star_steps(self, experiment: RoboticSequenceExperiment) -> Mapping[str, int]:
        """One policy, from every start state."""
        return _probe_steps(experiment, experiment.pi_star_episodes)


def _sac_updates(experiment: RoboticSequenceExperiment, phase: str) -> int:
    section = getattr(experiment, phase)
    every = int(section.sac.update_every)
    before: int = (max(section.sac.update_after, 1) - 1) // every  # rounds that are not due yet
    return max(0, int(section.steps) // every - before) * int(section.sac.updates_per_round)


def _pretrain_steps(experiment: RoboticSequenceExperiment) -> dict[str, int]:
    section, environment = experiment.pretrain, experiment.environment
    far = len(environment.pretrained_stages)
    # Each check, then three times as many episodes: to confirm it, with sampled actions, and to compare
    # values with returns. Then SAC goes on, once if all is well.
    further = section.continued_checks
    checks = 4 + section.steps // section.probe_every + len(further)
    episodes = checks * far * section.probe_episodes
    steps = section.steps + episodes * environment.max_steps + max(further, default=0)
    updates = _sac_updates(experiment, "pretrain") + section.continued_updates
    if section.recipe == "clone" and section.clone is not None:
        steps += far * (section.clone.transitions + section.clone.critic_transitions)
        updates += section.clone.updates + section.clone.critic_updates
    return {"environment_steps": steps, "updates": updates, "episodes": episodes}


def _collect_steps(experiment: RoboticSequenceExperiment) -> dict[str, int]:
    section, far = experiment.collect, len(experiment.environment.pretrained_stages)
    steps = section.states + far * section.analysis_states
    return {"environment_steps": steps, "updates": 0, "episodes": section.start_states}


def _finetune_steps(experiment: RoboticSequenceExperiment) -> dict[str, int]:
    steps = experiment.finetune.steps
    episodes = steps // experiment.environment.max_steps
    return {"environment_steps": steps, "updates": _sac_updates(experiment, "finetune"), "episodes": episodes}


def _evaluate_steps(experiment: RoboticSequenceExperiment) -> dict[str, int]:
    section = experiment.finetune
    milestones = len(section.milestones())
    return _probe_steps(experiment, milestones * experiment.evaluate.episodes)


def _probe_steps(experiment: RoboticSequenceExperiment, episodes: int) -> dict[str, int]:
    """Of so many episodes of each probe."""
    stages = len(experiment.environment.stages)
    steps = 2 * stages * episodes * experiment.environment.max_steps  # each stage alone, and the sequence
    return {"environment_steps": steps, "updates": 0, "episodes": episodes * (stages + 1)}


_STEPS = {
    "pretrain": _pretrain_steps,
    "collect": _collect_steps,
    "finetune": _finetune_steps,
    "evaluate": _evaluate_steps,
}
DOMAIN = RoboticSequence()
