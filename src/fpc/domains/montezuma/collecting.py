"""collect: pi*'s states and outputs from the room on, and the probe's start states."""

from __future__ import annotations

import shutil

import numpy as np
import torch
from torch import Tensor

from fpc.core.device import device_name
from fpc.core.errors import ConfigError
from fpc.core.seeds import rng_of
from fpc.core.torch_settings import configure_torch
from fpc.domains.finetuning import EXPERT
from fpc.domains.interface import Run
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.environment import MontezumaEnvironment
from fpc.domains.montezuma.expert_frames import write_expert
from fpc.domains.montezuma.factories import GAME_STARTS, game_starts_in, starts_in
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.pretraining import STARTS, VISITS, policy_of
from fpc.domains.montezuma.start_states import write_start_states

_COLLECT = 4409  # distinguishes these episodes from others with the same seed
_BATCH = 16


class Reservoir:
    """A uniform sample of the states of all games (Vitter's algorithm R), returned in random order.

    Args:
        size: number of observations kept.
        width: flattened size of an observation.
        generator: random number generator for the sampling.
    """

    def __init__(self, size: int, width: int, generator: np.random.Generator) -> None:
        self.size, self.generator, self.seen = size, generator, 0
        self.observations = torch.empty(size, width, dtype=torch.uint8)
        self.games = torch.empty(size, dtype=torch.int64)

    def see(self, observation: np.ndarray, game: int) -> None:
        """Add one uint8 observation of any shape, seen in game number ``game``."""
        index = self.seen if self.seen < self.size else int(self.generator.integers(self.seen + 1))
        self.seen += 1
        if index < self.size:
            self.observations[index] = torch.from_numpy(observation.reshape(-1))
            self.games[index] = game

    def shuffled(self) -> tuple[Tensor, Tensor]:
        """The sample in random order, uint8 ``[kept, width]``, and the states' games, int64 ``[kept]``."""
        kept = min(self.seen, self.size)
        order = torch.from_numpy(self.generator.permutation(kept))
        return self.observations[order], self.games[order]


def collect(experiment: MontezumaExperiment, run: Run) -> None:
    """Write ``expert.safetensors``: observations uint8 ``[N, D]``, outputs float32 ``[N, 18]``, games int64
    (:mod:`.expert_frames` reads it).

    All retention methods read these states of pi*'s trajectories, EWC's Fisher information too (paper).
    If pi* was trained on attempts in the room (``pretrain.task: room``), trajectories end with the attempt:
    what it does afterwards it has never learned.
    ``start_states.json`` and ``visits.parquet`` are copied from ``pretrain``. With ``start_room``,
    ``game_starts.json`` holds the states at which fine-tuned games begin.

    Raises:
        ConfigError: pi*'s games had fewer states than ``collect.states``.
    """
    configure_torch()
    pi_star = run.parents["pretrain"]
    network, options = policy_of(experiment, pi_star, run.device), experiment.collect
    run.note_device(device_name(network.device))
    environment = experiment.environment
    width = environment.frame_stack * environment.screen_size**2
    generator = rng_of(run.seed, _COLLECT)
    reservoir = Reservoir(options.states, width, generator)
    starts = starts_in(pi_star / STARTS, environment.room)
    limits = {"max_steps": options.max_steps, "room_max_steps": options.max_steps}
    limited = environment.model_copy(update=limits)
    pretrain = experiment.pretrain
    task = pretrain.task if pretrain.recipe == "rl_from_room" else "game"
    players = [
        MontezumaEnvironment(limited, (run.seed, _COLLECT, index), starts, task)
        for index in range(min(_BATCH, options.trajectories))
    ]
    sampler = torch.Generator().manual_seed(int(generator.integers(2**62)))
    _play(network, players, options.trajectories, reservoir, sampler, run)
    if reservoir.seen < options.states:
        raise ConfigError(
            f"{options.trajectories} games of pi* had {reservoir.seen} states, fewer than collect.states = "
            f"{options.states}; lower it, or raise collect.trajectories or collect.max_steps"
        )
    observations, games = reservoir.shuffled()
    with torch.inference_mode():
        parts = (part.to(network.device) for part in torch.split(observations, 256))
        outputs = torch.cat([network.logits(network.encode(part)).cpu() for part in parts])
    if environment.start_room is not None:
        begins = game_starts_in(pi_star / STARTS, environment, options.start_fractions)
        write_start_states(run.output / GAME_STARTS, begins)
    for name in (STARTS, VISITS):
        shutil.copyfile(pi_star / name, run.output / name)
    write_expert(run.output / EXPERT, {"observations": observations, "outputs": outputs, "games": games})


@torch.inference_mode()
def _play(
    network: MontezumaNetwork,
    players: list[MontezumaEnvironment],
    trajectories: int,
    reservoir: Reservoir,
    sampler: torch.Generator,
    run: Run,
) -> None:
    """Play ``trajectories`` games from start states to their ends, adding every state to the reservoir."""
    observations = [player.reset()[0] for player in players]
    games = list(range(len(players)))  # each player's
    begun, ended = len(players), 0
    while players:
        seen = torch.from_numpy(np.stack(observations)).to(network.device)
        logits = network.logits(network.encode(seen)).cpu()
        actions = torch.multinomial(logits.softmax(-1), 1, generator=sampler).flatten().tolist()
        for observation, game in zip(observations, games, strict=True):
            reservoir.see(observation, game)
        going: list[tuple[MontezumaEnvironment, np.ndarray, int]] = []
        for player, game, action in zip(players, games, actions, strict=True):
            observation, _, terminated, truncated, _ = player.step(action)
            if terminated or truncated:
                ended += 1
                run.report(ended, trajectories)
                if begun == trajectories:
                    player.close()  # type: ignore[no-untyped-call]
                    continue
                observation, _ = player.reset()
                game, begun = begun, begun + 1
            going.append((player, observation, game))
        players = [player for player, _, _ in going]
        observations = [observation for _, observation, _ in going]
        games = [game for _, _, game in going]
