"""Plays games with a policy, many side by side: a place whose game has ended takes the next game.

A game does not depend on which others are played with it. Each has its own random number generator, and the
network is called with a number of observations for which it rounds every one of them alike, see ``rows_of``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

ROWS = 16  # on a CPU, the network is called with a multiple of this many observations


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


class Environments:
    """A pool of environments, created on demand and reused."""

    def __init__(self) -> None:
        self._made: dict[tuple[bool, int], NetHackEnvironment] = {}

    def take(self, number: int, options: EnvironmentOptions, wizard: bool) -> NetHackEnvironment:
        """Environment ``number`` in normal or debug mode."""
        if (wizard, number) not in self._made:
            self._made[wizard, number] = NetHackEnvironment(options, wizard=wizard)
        environment = self._made[wizard, number]
        environment.options = options
        return environment

    def close(self) -> None:
        """Free all environments."""
        while self._made:
            self._made.popitem()[1].close()


@dataclass(frozen=True)
class Planned:
    """An episode to play, and the task it is played in."""

    episode: Episode
    environment: EnvironmentOptions


def play_games(
    network: NetHackNetwork,
    waiting: Iterable[tuple[int, Planned]],
    batch: int,
    environments: Environments,
    alive: Callable[[], None] = lambda: None,
) -> Iterator[tuple[int, EpisodeRecord]]:
    """Play episodes with actions sampled from the policy.

    Args:
        network: left in eval mode.
        waiting: episodes with their keys, begun in this order.
        batch: games played side by side, as long as enough are waiting.
        environments: pool to use; it is left open.
        alive: called after every step of all games.

    Returns:
        Key and record of each episode, in the order in which they end.
    """
    network.eval()
    remaining = iter(waiting)
    free = list(range(batch))[::-1]
    playing: list[_Game] = []
    state = network.initial_state(0)
    while True:
        while free and (following := next(remaining, None)) is not None:
            playing.append(_Game(free.pop(), *following, environments))
        if not playing:
            return
        state = torch.cat([state, network.initial_state(len(playing) - len(state))])
        actions, state = _act(network, playing, state, batch)
        going_on = [game.step(action) for game, action in zip(playing, actions, strict=True)]
        alive()
        if not all(going_on):
            for game in (game for game, goes_on in zip(playing, going_on, strict=True) if not goes_on):
                free.append(game.place)
                yield game.key, game.record()
            playing = [game for game, goes_on in zip(playing, going_on, strict=True) if goes_on]
            state = state[torch.tensor(going_on, device=state.device)]


def rows_of(games: int, batch: int, device: torch.device) -> int:
    """Number of observations to call the network with for ``games`` games; the rest are padding.

    Matrix products round a row alike in products of 16, 32, 48, ... rows, but not in those of, say, 1 or 7,
    nor of 8 where the processor has AVX-512.
    With the padding a game does not depend on how many others are played with it. On a GPU, where the
    kernel follows from the number of rows, that number is always ``batch``; padding costs nothing there.
    """
    if device.type == "cuda":
        return batch
    return -(-games // ROWS) * ROWS


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

    def __init__(self, place: int, key: int, planned: Planned, environments: Environments) -> None:
        episode = planned.episode
        environment = environments.take(place, planned.environment, _is_wizard(episode))
        self.place, self.key, self.environment, self.episode = place, key, environment, episode
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
def _act(
    network: NetHackNetwork, games: Sequence[_Game], state: Tensor, batch: int
) -> tuple[list[int], Tensor]:
    """An action for each game, and the recurrent state after it, ``[len(games), 2 * hidden]``."""
    count, device = len(games), state.device
    rows = rows_of(count, batch, device)
    shown = [*games, *[games[-1]] * (rows - count)]
    observations = {
        name: torch.from_numpy(np.stack([game.observation[name] for game in shown])).to(device)
        for name in games[0].observation
    }
    starts = torch.zeros(1, rows, dtype=torch.bool, device=device)  # the initial state is already zero
    padded = torch.cat([state, network.initial_state(rows - count)])
    outputs, padded = unroll(network.core, network.encode(observations)[None], starts, padded)
    uniforms = np.array([game.rng.random() for game in games])
    actions: list[int] = sample_actions(network.policy(outputs[0])[:count], uniforms).tolist()
    return actions, padded[:count]
