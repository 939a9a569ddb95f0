"""What Montezuma's runs leave on the disk."""

from __future__ import annotations

import torch

from fpc.domains.footprint import CHECKPOINTS, TABLES, TRAINING_STATE, Footprint, tensor_bytes, trained
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.emulator import ACTIONS
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.learners.appo.rnd import RandomNetworkDistillation

SHRINKS = 30  # times, compressed screens


def footprint(experiment: MontezumaExperiment, phase: str) -> Footprint:
    """Footprint of one run of a phase."""
    environment, options = experiment.environment, experiment.finetune
    with torch.device("meta"):
        weights = tensor_bytes(MontezumaNetwork(experiment.network, environment).state_dict())
        module = RandomNetworkDistillation(options.rnd, environment.screen_size, 1, 0)
        distillation = tensor_bytes(module.state_dict())
    state = TRAINING_STATE * weights + 3 * distillation  # with Adam's moments
    if phase == "pretrain":
        return Footprint(2 * weights + 5 * TABLES, 9, CHECKPOINTS * 2 * state)  # pi*, and the agent before it
    if phase == "collect":
        screens = environment.frame_stack * environment.screen_size**2
        return Footprint(experiment.collect.states * (screens // SHRINKS + 4 * ACTIONS + 8) + TABLES, 5)
    if phase == "finetune":
        return trained(weights, len(options.milestones()), state)
    return Footprint(TABLES, 3)
