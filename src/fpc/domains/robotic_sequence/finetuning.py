"""finetune: SAC on the whole sequence, from pi* or from scratch, with one retention method."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from fpc.core.files import read_tensors
from fpc.core.milestones import write_milestone
from fpc.domains.finetuning import CRITIC, EXPERT, POLICY, Finetuning
from fpc.domains.interface import Run
from fpc.domains.robotic_sequence.config import RoboticSequenceExperiment
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.probes import probes_of
from fpc.learners.interface import Weights
from fpc.learners.sac import SAC, SACSpecification
from fpc.retention.expert_data import ExpertDataset
from fpc.retention.interface import MethodOptions, Need


def finetune(experiment: RoboticSequenceExperiment, method: str, chosen: MethodOptions, run: Run) -> None:
    """Write the milestones' weights (``actor.``..., ``critic.``...) and ``training.parquet``."""
    options = experiment.finetune
    work = Finetuning.of(run, method, chosen, options.steps)
    expert, teacher = None, None
    if work.needs(Need.EXPERT_DATA, Need.REPLAY_BUFFER):
        expert = ExpertDataset.read(run.parents["collect"] / EXPERT).on(run.device)
    if work.needs(Need.TEACHER):
        teacher = read_tensors(run.parents["pretrain"] / POLICY)

    def keep(step: int, policy: Weights, critic: Weights) -> None:
        weights = {f"actor.{name}": value for name, value in policy.items()}
        if options.keep_critics:
            weights |= {f"critic.{name}": value for name, value in critic.items()}
        write_milestone(run.output, step, weights)

    specification = SACSpecification(
        **work.fields(options.milestones(work.steps)) | {"on_milestone": keep},
        environment=RoboticSequence(experiment.environment),
        options=options.sac,
        stages=len(experiment.environment.stages),
        initial_policy=_weights(work.pi_star(POLICY)),
        initial_critic=_weights(work.pi_star(CRITIC)),
        teacher=teacher,
        expert=expert,
        known_stages=experiment.environment.pretrained_stages,
        initial_transitions=initial_transitions(experiment, work),
    )
    far = [probe.name for probe in probes_of(experiment.environment) if probe.group == "far"]
    work.finish(SAC().train(specification), far)


def initial_transitions(
    experiment: RoboticSequenceExperiment, work: Finetuning
) -> Mapping[str, Tensor] | None:
    """Transitions of pi* that the replay buffer begins with; None: it begins empty, or a method fills it."""
    if not experiment.finetune.expert_in_buffer or not work.pretrained or work.needs(Need.REPLAY_BUFFER):
        return None
    return ExpertDataset.read(work.run.parents["collect"] / EXPERT).transitions()


def _weights(path: Path | None) -> Weights | None:
    return None if path is None else read_tensors(path)
