"""What NetHack's runs leave on the disk."""

from __future__ import annotations

import torch

from fpc.domains.footprint import CHECKPOINTS, TABLES, TRAINING_STATE, Footprint, tensor_bytes, trained
from fpc.domains.nethack.action_space import ACTION_COUNT
from fpc.domains.nethack.config import NetHackExperiment, NetworkOptions
from fpc.domains.nethack.network import NetHackNetwork

# NLD-AA has 3,481,605,009 steps in 109,545 games (Hambro et al. 2022).
STEPS_PER_GAME = 31_800
OBSERVATION = 2 * 24 * 80 + 2  # bytes: characters and colours of the screen, and the cursor
GAME_FILES, GAME_BYTES = 3, 40_000  # of a recorded game of our expert, from `laptop`'s


def network_bytes(options: NetworkOptions) -> int:
    """Bytes of the weights of a network of this size."""
    with torch.device("meta"):
        return tensor_bytes(NetHackNetwork(options).state_dict())


def footprint(experiment: NetHackExperiment, phase: str) -> Footprint:
    """Footprint of one run of a phase."""
    weights = network_bytes(experiment.network)
    if phase == "pretrain":
        source = experiment.pretrain.source
        played = experiment.pretrain.recipe == "clone" and source.kind == "expert"
        games = source.games if played else 0
        size = weights + games * GAME_BYTES + TABLES
        return Footprint(size, 5 + games * GAME_FILES, CHECKPOINTS * 3 * weights)
    if phase == "collect":
        return Footprint(_collected(experiment), 7)
    if phase == "finetune":
        return trained(weights, len(experiment.finetune.milestones()), TRAINING_STATE * weights)
    return Footprint(TABLES, 3)


def _collected(experiment: NetHackExperiment) -> int:
    """Bytes of the expert's sequences and of the games that measure the divergence."""
    options, rest = experiment.collect, 3  # an action, a start and a depth, one byte each
    features = 2 * experiment.network.hidden
    source = options.source or experiment.pretrain.source
    steps = min(STEPS_PER_GAME, source.max_steps) if source.kind == "expert" else STEPS_PER_GAME
    reserved = options.divergence_games * steps
    if options.recipe == "stored":
        step = features + 2 * ACTION_COUNT + rest
        return options.transitions * step + reserved * (features + 4 * ACTION_COUNT + rest) + TABLES
    return reserved * (OBSERVATION + 4 * ACTION_COUNT + rest) + TABLES
