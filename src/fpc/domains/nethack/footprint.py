"""What NetHack's runs leave on the disk."""

from __future__ import annotations

import torch

from fpc.domains.footprint import CHECKPOINTS, TABLES, TRAINING_STATE, Footprint, tensor_bytes, trained
from fpc.domains.nethack.action_space import ACTION_COUNT
from fpc.domains.nethack.config import NetHackExperiment, NetworkOptions
from fpc.domains.nethack.network import NetHackNetwork
from fpc.retention.registry import load_method

# NLD-AA has 3,481,605,009 steps in 109,545 games (Hambro et al. 2022).
STEPS_PER_GAME = 31_800
OBSERVATION = 2 * 24 * 80 + 2  # bytes: characters and colours of the screen, and the cursor
METHODS = ("scratch", "vanilla", "behavioral_cloning", "kickstarting", "ewc")  # if none are chosen
HEADS = ("policy.", "baseline.")
CHANGED = {"all": ("",), "core": ("core.", *HEADS), "heads": HEADS}  # by what is trained: beginnings of names
GAME_FILES, GAME_BYTES = 3, 40_000  # of a recorded game of our expert, from `laptop`'s


def network_bytes(options: NetworkOptions, beginnings: tuple[str, ...] = ("",)) -> int:
    """Bytes of a network's weights, of those whose names begin with one of ``beginnings``."""
    with torch.device("meta"):
        state = NetHackNetwork(options).state_dict()
    return tensor_bytes({name: value for name, value in state.items() if name.startswith(beginnings)})


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
        kept = _milestones(experiment, weights)
        return trained(kept, len(experiment.finetune.milestones()), TRAINING_STATE * weights)
    return Footprint(TABLES, 3)


def _milestones(experiment: NetHackExperiment, weights: int) -> int:
    """Bytes of a milestone, the mean over methods: a run from pi* keeps what differs from pi*.

    At step 0 that is the value head at most.
    """
    milestones = len(experiment.finetune.milestones())
    changed = network_bytes(experiment.network, CHANGED[experiment.finetune.appo.train])
    from_pi_star = changed * (milestones - 1) // milestones
    of_methods = [
        from_pi_star if load_method(name).pretrained else weights for name in experiment.methods or METHODS
    ]
    return sum(of_methods) // len(of_methods)


def _collected(experiment: NetHackExperiment) -> int:
    """Bytes of the expert's sequences and of the games that measure the divergence."""
    options, rest = experiment.collect, 3  # an action, a start and a depth, one byte each
    features = 2 * experiment.network.hidden
    source = options.source or experiment.pretrain.source
    steps = min(STEPS_PER_GAME, source.max_steps) if source.kind == "expert" else STEPS_PER_GAME
    reserved = options.divergence_games * steps
    if options.recipe == "stored":
        return (options.transitions + reserved) * (features + rest) + TABLES
    return reserved * (OBSERVATION + 4 * ACTION_COUNT + rest) + TABLES
