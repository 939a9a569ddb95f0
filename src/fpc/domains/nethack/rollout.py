"""Plays games with a policy, many in parallel.

Episodes are split into batches of fixed size, and each has its own random number generator, so a game does
not depend on which others are played. (A different batch size rounds differently and may change games.)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fpc.core.seeds import seed_of
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.start_states import StartState
from fpc.learners.recurrence import unroll


@dataclass(frozen=True)
class Episode:
    """A game to play: where it begins, and the seed for sampling actions."""

    number: int
    start: int | StartState  # the seed of a game, or a state in one
    action_seed: int


@dataclass(frozen=True)
class EpisodeRecord:
    """The outcome of an episode."""

    number: int
    steps: int
    score: float  # gained since the start
    metrics: Mapping[str, float]
    pits_filled: float
    dungeon: tuple[tuple[int, int], ...]  # (turn, depth) at the start and whenever a deeper level was reached
    truncated: bool


def new_episodes(seed: int, probe: str, starts: int | Sequence[StartState]) -> list[Episode]:
    """Episodes of a probe: from start states, or ``starts`` games from the beginning.

    Seeds depend only on the run's seed, the probe and the episode's number, so every milestone and every
    method plays the same games.
    """
    word = int.from_bytes(probe.encode(), "big")
    if isinstance(starts, int):
        starts_or_seeds: list[int | StartState] = [seed_of(seed, word, n, 0) for n in range(starts)]
    else:
        starts_or_seeds = list(starts)
    return [
        Episode(number, start, seed_of(seed, word, number, 1)) for number, start in enumerate(starts_or_seeds)
    ]


def in_batches(episodes: Sequence[Episode], batch: int) -> list[list[Episode]]:
    """Split episodes into the fewest batches of at most ``batch``, with sizes that differ by at most 1."""
    count = math.ceil(len(episodes) / batch)
    bounds = [part * len(episodes) // count for part in range(count + 1)] if count else []
    return [list(episodes[low:high]) for low, high in itertools.pairwise(bounds)]


class Environments:
    """A pool of environments, created on demand and reused."""

    def __init__(self) -> None:
        self._made: dict[bool, list[NetHackEnvironment]] = {False: [], True: []}

    def take(self, number: int, options: EnvironmentOptions, wizard: bool) -> NetHackEnvironment:
        """Environment ``number`` in normal or debug mode."""
        made = self._made[wizard]
        while len(made) <= number:
            made.append(NetHackEnvironment(options, wizard=wizard))
        made[number].options = options
        return made[number]

    def close(self) -> None:
        """Free all environments."""
        for made in self._made.values():
            while made:
                made.pop().close()


def play(
    network: NetHackNetwork,
    environment: EnvironmentOptions,
    episodes: Sequence[Episode],
    batch: int,
    *,
    environments: Environments | None = None,
    report: Callable[[int], None] | None = None,
) -> list[EpisodeRecord]:
    """Play episodes with actions sampled from the policy; returns records in the order of the episodes.

    Args:
        network: left in eval mode.
        environment: the task, with its step limit.
        episodes: what to play, see ``new_episodes``.
        batch: games played in parallel.
        environments: pool to use and keep open; by default, one is created and closed at the end.
        report: called after each batch with the number of completed episodes.
    """
    used = environments or Environments()
    network.eval()
    records: list[EpisodeRecord] = []
    try:
        for part in in_batches(episodes, batch):
            games = [
                _Game(used.take(row, environment, _is_wizard(episode)), episode)
                for row, episode in enumerate(part)
            ]
            _play_in_parallel(network, games)
            records += [game.record() for game in games]
            if report is not None:
                report(len(records))
    finally:
        if environments is None:
            used.close()
    return records


def sample_actions(logits: Tensor, uniforms: np.ndarray) -> np.ndarray:
    """Sample actions, int64 [N], by inverting the cumulative distribution function.

    Args:
        logits: [N, actions].
        uniforms: float64 [N] in [0, 1).
    """
    cumulative = torch.softmax(logits.double(), dim=-1).cumsum(dim=-1).cpu().numpy()
    actions: np.ndarray = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(axis=1)
    np.minimum(actions, logits.shape[-1] - 1, out=actions)
    return actions


class _Game:
    """An episode in progress."""

    def __init__(self, environment: NetHackEnvironment, episode: Episode) -> None:
        self.environment, self.episode = environment, episode
        self.rng = np.random.default_rng(episode.action_seed)
        if isinstance(episode.start, StartState):
            self.observation, _ = environment.reset(options={"start": episode.start})
        else:
            self.observation, _ = environment.reset(seed=episode.start)
        metrics = environment.metrics
        self.dungeon = [(metrics.turns, metrics.depth)]
        self.steps, self.truncated = 0, False

    def step(self, action: int) -> bool:
        """Take an action; returns whether the game continues."""
        self.observation, _, terminated, self.truncated, _ = self.environment.step(action)
        self.steps += 1
        metrics = self.environment.metrics
        if metrics.depth > self.dungeon[-1][1]:
            self.dungeon.append((metrics.turns, metrics.depth))
        return not (terminated or self.truncated)

    def record(self) -> EpisodeRecord:
        metrics = self.environment.metrics
        return EpisodeRecord(
            number=self.episode.number,
            steps=self.steps,
            score=float(metrics.score),
            metrics=metrics.as_dict(),
            pits_filled=float(metrics.pits_filled),
            dungeon=tuple(self.dungeon),
            truncated=self.truncated,
        )


def _is_wizard(episode: Episode) -> bool:
    return isinstance(episode.start, StartState) and episode.start.wizard


@torch.inference_mode()
def _play_in_parallel(network: NetHackNetwork, games: Sequence[_Game]) -> None:
    """Play all games to the end; finished games are removed from the batch."""
    playing = list(games)
    state = network.initial_state(len(playing))
    device = state.device
    while playing:
        observations = {
            name: torch.from_numpy(np.stack([game.observation[name] for game in playing])).to(device)
            for name in playing[0].observation
        }
        starts = torch.zeros(
            1, len(playing), dtype=torch.bool, device=device
        )  # the initial state is already zero
        outputs, state = unroll(network.core, network.encode(observations)[None], starts, state)
        uniforms = np.array([game.rng.random() for game in playing])
        actions = sample_actions(network.policy(outputs[0]), uniforms).tolist()
        continues = [game.step(action) for game, action in zip(playing, actions, strict=True)]
        if not all(continues):
            state = state[torch.tensor(continues, device=device)]
            playing = [game for game, keep in zip(playing, continues, strict=True) if keep]
