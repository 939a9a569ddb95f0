"""NetHack as a domain: Sample Factory's APPO; pi* is cloned from an expert (imperfect cloning gap)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from fpc.domains.footprint import Footprint
from fpc.domains.interface import NeededInput, PiStarDomain, Run, Trial
from fpc.domains.nethack.config import NetHackExperiment
from fpc.learners.appo import APPO
from fpc.learners.interface import Learner
from fpc.retention.interface import MethodOptions, Need
from fpc.retention.registry import load_method


class NetHack(PiStarDomain[NetHackExperiment]):
    """Close is dungeon level 1, where games start; Far is the deeper levels and Sokoban."""

    name: ClassVar[str] = "nethack"
    learner: ClassVar[Learner[Any]] = APPO()
    gpu_phases: ClassVar[frozenset[str]] = frozenset({"pretrain", "collect", "finetune", "evaluate"})

    def pretrain(self, experiment: NetHackExperiment, run: Run) -> None:
        """Write ``policy.safetensors``, ``critic.safetensors``, ``training.parquet`` and the cloned games."""
        from fpc.domains.nethack.pretraining import pretrain

        pretrain(experiment, run)

    def collect(self, experiment: NetHackExperiment, run: Run) -> None:
        """Write the expert's sequences, the start states of the probes, and tables of the expert's games."""
        from fpc.domains.nethack.collecting import collect

        collect(experiment, run)

    def finetune(self, experiment: NetHackExperiment, method: str, options: MethodOptions, run: Run) -> None:
        """Write ``milestones/step_<n>.safetensors`` and ``training.parquet``."""
        from fpc.domains.nethack.finetuning import finetune

        finetune(experiment, method, options, run)

    def evaluate(self, experiment: NetHackExperiment, method: str, options: MethodOptions, run: Run) -> None:
        """Write ``episodes.parquet`` and ``dungeon.parquet``."""
        from fpc.domains.nethack.evaluation import evaluate

        evaluate(experiment, run)

    def evaluate_pi_star(self, experiment: NetHackExperiment, run: Run) -> None:
        """The tables of ``evaluate`` for pi* itself."""
        from fpc.domains.nethack.evaluation import evaluate_pi_star

        evaluate_pi_star(experiment, run)

    def check(self, experiment: NetHackExperiment, method: str, options: MethodOptions) -> None:
        """Check that batches are whole expert sequences, that EWC can estimate Fisher information, and that
        an encoder trained from scratch has observations to clone on.

        Raises:
            ValueError: an option of the method does not fit; the message names it.
        """
        needed, stored = load_method(method), experiment.collect.recipe == "stored"
        if stored and Need.EXPERT_DATA in needed.needs and not needed.pretrained:
            raise ValueError(
                "coefficient: a run from scratch trains its own encoder, but collect.recipe `stored` keeps "
                "features of pi*'s; set collect.recipe: streamed."
            )
        length = experiment.finetune.appo.rollout
        for key in ("batch_size", "fisher_samples"):
            size = getattr(options, key, length)
            if size % length:
                raise ValueError(
                    f"{key}: {size} is not a multiple of finetune.appo.rollout ({length}); expert games "
                    f"are read in sequences of that length. Nearest: {max(1, round(size / length)) * length}."
                )
        if getattr(options, "fisher_batches", 1) is None:
            raise ValueError("fisher_batches: null needs a policy without memory; give a number, e.g. 1000.")

    def needed_inputs(self, experiment: NetHackExperiment) -> list[NeededInput]:
        """Recordings of AutoAscend and published weights, where the experiment uses them."""
        from fpc.domains.nethack.needed_inputs import needed_inputs

        return needed_inputs(experiment)

    def footprint(self, experiment: NetHackExperiment, phase: str) -> Footprint:
        """From the sizes of the networks and of the collected data."""
        from fpc.domains.nethack.footprint import footprint

        return footprint(experiment, phase)

    def trial(self, experiment: NetHackExperiment, pi_star: Path) -> Trial:
        """Fine-tuning from untrained networks."""
        from fpc.domains.nethack.trial import trial

        return trial(experiment, pi_star)

    def training_steps(self, experiment: NetHackExperiment, phase: str) -> Mapping[str, int]:
        """Upper bounds, since most games end before their step limit."""
        return _STEPS[phase](experiment)

    def pi_star_steps(self, experiment: NetHackExperiment) -> Mapping[str, int]:
        """Upper bounds; each probe has ``evaluate.pi_star_episodes``."""
        return _pi_star_steps(experiment)


def _pretrain_steps(experiment: NetHackExperiment) -> dict[str, int]:
    section = experiment.pretrain
    games = section.source.games if section.recipe == "clone" else 0
    steps = games * section.source.max_steps + section.critic.steps
    steps += section.probe_games * experiment.environment.max_steps
    return {"environment_steps": steps, "updates": 0, "episodes": games + section.probe_games}


def _collect_steps(experiment: NetHackExperiment) -> dict[str, int]:
    section = experiment.collect
    games = section.level.max_games + section.sokoban.count
    return {"environment_steps": games * section.max_steps, "updates": 0, "episodes": games}


def _finetune_steps(experiment: NetHackExperiment) -> dict[str, int]:
    section = experiment.finetune
    updates = section.steps // section.appo.batch_size * section.appo.epochs
    return {"environment_steps": section.steps, "updates": updates, "episodes": 0}


def _evaluate_steps(experiment: NetHackExperiment) -> dict[str, int]:
    section, milestones = experiment.evaluate, len(experiment.finetune.milestones())
    far = section.episodes + section.sokoban_episodes
    steps = milestones * (section.episodes * section.max_steps + far * section.far_max_steps)
    more = (section.final_far_episodes or section.episodes) - section.episodes
    more *= 2 + len(experiment.finetune.early_milestones[-1:])
    steps += 2 * section.final_episodes * section.max_steps + more * section.far_max_steps
    steps += milestones * _divergence_steps(experiment)
    episodes = milestones * (section.episodes + far) + 2 * section.final_episodes + more
    return {"environment_steps": steps, "updates": 0, "episodes": episodes}


def _divergence_steps(experiment: NetHackExperiment) -> int:
    """Steps on which the network is run to measure a milestone's divergence from pi*."""
    collect, limit = experiment.collect, experiment.evaluate.divergence_steps
    longest = (collect.source or experiment.pretrain.source).max_steps
    return collect.divergence_games * (longest if limit is None else min(limit, longest))


def _pi_star_steps(experiment: NetHackExperiment) -> dict[str, int]:
    section = experiment.evaluate
    count = section.pi_star_episodes
    far = count + (count if section.sokoban_episodes else 0)
    steps = 2 * count * section.max_steps + far * section.far_max_steps + _divergence_steps(experiment)
    return {"environment_steps": steps, "updates": 0, "episodes": 2 * count + far}


_STEPS = {
    "pretrain": _pretrain_steps,
    "collect": _collect_steps,
    "finetune": _finetune_steps,
    "evaluate": _evaluate_steps,
}
DOMAIN = NetHack()
