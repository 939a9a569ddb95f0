"""What RoboticSequence's runs leave on the disk."""

from __future__ import annotations

import torch

from fpc.domains.footprint import CHECKPOINTS, TABLES, Footprint, tensor_bytes, trained
from fpc.domains.robotic_sequence.config import RoboticSequenceExperiment
from fpc.domains.robotic_sequence.stage import ACTION_SIZE, OBSERVATION_SIZE
from fpc.learners.sac.networks import Actor, Critics


def footprint(experiment: RoboticSequenceExperiment, phase: str) -> Footprint:
    """Footprint of one run of a phase."""
    stages, sac = len(experiment.environment.stages), experiment.finetune.sac
    observation = OBSERVATION_SIZE + 1 + stages  # the time in the stage, and the stage
    with torch.device("meta"):
        actor = tensor_bytes(Actor(observation, ACTION_SIZE, stages, sac).state_dict())
        critics = tensor_bytes(Critics(observation, ACTION_SIZE, stages, sac).state_dict())
    # Two observations, an action, and reward, end and stage in at most eight bytes each.
    transition = 4 * (2 * observation + ACTION_SIZE) + 24
    # Target critics; Adam's two moments; EWC's anchor and Fisher information (or a teacher) of the actor.
    state = 5 * actor + 4 * critics + sac.buffer_size * transition
    if phase == "pretrain":
        return Footprint(actor + critics + TABLES, 4, CHECKPOINTS * state)
    if phase == "collect":
        far, options = len(experiment.environment.pretrained_stages), experiment.collect
        expert = options.states * (transition + 8 * ACTION_SIZE)
        analysis = far * options.analysis_states * 4 * (observation + ACTION_SIZE + 3)
        return Footprint(expert + analysis + TABLES, 4)
    if phase == "finetune":
        weights = actor + (critics if experiment.finetune.keep_critics else 0)
        return trained(weights, len(experiment.finetune.milestones()), state)
    return Footprint(TABLES, 4)
