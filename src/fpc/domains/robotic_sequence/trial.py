"""A short training at full sizes, to measure its speed."""

from __future__ import annotations

from pathlib import Path

from fpc.core.files import write_tensors
from fpc.domains.finetuning import CRITIC, POLICY
from fpc.domains.interface import Trial
from fpc.domains.robotic_sequence.config import RoboticSequenceExperiment
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.domains.robotic_sequence.policies import new_networks


def trial(experiment: RoboticSequenceExperiment, pi_star: Path) -> Trial:
    """Fine-tuning of untrained networks."""
    environment = RoboticSequence(experiment.environment)
    actor, critics = new_networks(environment, experiment.pretrain, None)
    environment.close()
    write_tensors(pi_star / POLICY, actor.state_dict())
    write_tensors(pi_star / CRITIC, critics.state_dict())
    phases = ("pretrain", "finetune") if experiment.pretrain.recipe == "sac" else ("finetune",)
    return Trial(experiment, phases)
