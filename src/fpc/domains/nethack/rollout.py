"""Games played by a policy, many side by side.

Episodes are cut into batches of fixed size, and an episode's chance is its own: its games do not depend
on what else is played. (Another size of batch rounds differently, and so may play other games.)
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
    """A game to play: where it begins, and the seed of the actions' chance."""

    number: int
    start: int | StartState  # the seed of a game, or a state in one
    chance: int


@dataclass(frozen=True)
class EpisodeRecord:
    """What came of an episode."""

    number: int
    steps: int
    score: float  # gained since the start
    metrics: Mapping[str, float]
    pits_filled: float
    dungeon: tuple[tuple[int, int], ...]  # (turn, depth) at the start and where a deeper level was reached
    truncated: bool


def new_episodes(seed: int, probe: str, starts: int | Sequence[StartState]) -> list[Episode]:
    """Episodes of a probe: from start states, or ``starts`` games from the beginning.

    The seeds depend on the run's seed, the probe and the episode's number alone, so every milestone and
    every method plays the same games.
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
    """Cut episodes into the fewest parts of at most ``batch``, of equal size up to one."""
    count = math.ceil(len(episodes) / batch)
    bounds = [part * len(episodes) // count for part in range(count + 1)] if count else []
    return [list(episodes[low:high]) for low, high in itertools.pairwise(bounds)]


class Environments:
    """Environments that are made when first needed, and used again."""

    def __init__(self) -> None:
        self._made: dict[bool, list[NetHackEnvironment]] = {False: [], True: []}

    def take(self, number: int, options: EnvironmentOptions, wizard: bool) -> NetHackEnvironment:
        """The environment ``number`` of the ordinary or the debug mode."""
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
    """Play episodes with actions drawn from the policy, ``batch`` side by side; records in their order.

    Args:
        network: is in eval mode afterwards.
        environment: the task with the limit of steps.
        episodes: what to play, see ``new_episodes``.
        batch: games side by side.
        environments: kept for other calls; else they are closed at the end.
        report: called with the number of episodes done after each batch.
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
            _play_side_by_side(network, games)
            records += [game.record() for game in games]
            if report is not None:
                report(len(records))
    finally:
        if environments is None:
            used.close()
    return records


def sample_actions(logits: Tensor, uniforms: np.ndarray) -> np.ndarray:
    """Actions int64 [N] drawn by the inverse distribution function, from logits [N, actions].

    Args:
        logits: of the policy.
        uniforms: float64 [N] in [0, 1).
    """
    cumulative = torch.softmax(logits.double(), dim=-1).cumsum(dim=-1).cpu().numpy()
    actions: np.ndarray = (cumulative <= uniforms[:, None] * cumulative[:, -1:]).sum(axis=1)
    np.minimum(actions, logits.shape[-1] - 1, out=actions)
    return actions


class _Game:
    """One episode at play."""

    def __init__(self, environment: NetHackEnvironment, episode: Episode) -> None:
        self.environment, self.episode = environment, episode
        self.chance = np.random.default_rng(episode.chance)
        if isinstance(episode.start, StartState):
            self.observation, _ = environment.reset(options={"start": episode.start})
        else:
            self.observation, _ = environment.reset(seed=episode.start)
        metrics = environment.metrics
        self.dungeon = [(metrics.turns, metrics.depth)]
        self.steps, self.truncated = 0, False

    def step(self, action: int) -> bool:
        """Whether the game goes on."""
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
def _play_side_by_side(network: NetHackNetwork, games: Sequence[_Game]) -> None:
    """Play all games to their ends; a game that is over leaves the batch."""
    playing = list(games)
    state = network.initial_state(len(playing))
    device = state.device
    while playing:
        observations = {
            name: torch.from_numpy(np.stack([game.observation[name] for game in playing])).to(device)
            for name in playing[0].observation
        }
        starts = torch.zeros(1, len(playing), dtype=torch.bool, device=device)  # the state begins as zeros
        outputs, state = unroll(network.core, network.encode(observations)[None], starts, state)
        uniforms = np.array([game.chance.random() for game in playing])
        actions = sample_actions(network.policy(outputs[0]), uniforms).tolist()
        going_on = [game.step(action) for game, action in zip(playing, actions, strict=True)]
        if not all(going_on):
            state = state[torch.tensor(going_on, device=device)]
            playing = [game for game, goes_on in zip(playing, going_on, strict=True) if goes_on]
