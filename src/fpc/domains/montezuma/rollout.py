"""Rollouts of a policy, several games in parallel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from fpc.core.seeds import rng_of
from fpc.domains.montezuma.config import EnvironmentOptions
from fpc.domains.montezuma.environment import MontezumaEnvironment, Task
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.start_states import StartState

BATCH = 32
_ACTIONS = 1  # separates the actions' generator from the environment's


@dataclass(frozen=True)
class Episode:
    """An episode to play; all randomness follows from ``stream``."""

    stream: tuple[int, ...]
    start: StartState | None = None
    task: Task = "game"


@dataclass(frozen=True)
class EpisodeRecord:
    """The outcome of an episode."""

    score: float
    success: bool | None  # in the room where it began
    length: int
    room_steps: dict[int, int]
    actions: tuple[int, ...] = field(repr=False)  # as executed by the game

    @property
    def rooms(self) -> int:
        """Number of distinct rooms visited."""
        return len(self.room_steps)


class _Player:
    """One episode in progress."""

    def __init__(self, index: int, episode: Episode, environment: MontezumaEnvironment) -> None:
        self.index, self.environment = index, environment
        environment.stream, environment.episode, environment.task = episode.stream, -1, episode.task
        self.observation, _ = environment.reset(options={"start": episode.start})
        self.generator = rng_of(*episode.stream, _ACTIONS)
        self.actions: list[int] = []

    def step(self, action: int) -> EpisodeRecord | None:
        """Take one step; returns the record if it was the last."""
        self.observation, _, terminated, truncated, info = self.environment.step(action)
        self.actions.append(info["action"])
        if not (terminated or truncated):
            return None
        metrics = info["metrics"]
        success = metrics.get("success")
        steps = {int(room): count for room, count in self.environment.room_steps.items()}
        return EpisodeRecord(
            metrics["score"],
            None if success is None else bool(success),
            len(self.actions),
            steps,
            tuple(self.actions),
        )


@torch.inference_mode()
def play(
    network: MontezumaNetwork | None,
    options: EnvironmentOptions,
    episodes: Sequence[Episode],
    report: Callable[[int], None] = lambda done: None,
    batch: int = BATCH,
) -> list[EpisodeRecord]:
    """Play every episode with sampled actions, or uniformly at random if ``network`` is None.

    ``report(done)`` is called after each finished episode. Records are in the order of ``episodes``.
    """
    records: dict[int, EpisodeRecord] = {}
    waiting = list(enumerate(episodes))[::-1]
    spare = [MontezumaEnvironment(options) for _ in range(min(batch, len(waiting)))]
    players: list[_Player] = []
    while waiting or players:
        while waiting and spare:
            index, episode = waiting.pop()
            players.append(_Player(index, episode, spare.pop()))
        going = []
        for player, probabilities in zip(players, _action_probabilities(network, players), strict=True):
            record = player.step(
                int(np.searchsorted(np.cumsum(probabilities)[:-1], player.generator.random()))
            )
            if record is None:
                going.append(player)
                continue
            records[player.index] = record
            spare.append(player.environment)
            report(len(records))
        players = going
    return [records[index] for index in range(len(episodes))]


def _action_probabilities(network: MontezumaNetwork | None, players: Sequence[_Player]) -> np.ndarray:
    """Probabilities of the actions, float64 ``[N, 18]``."""
    if network is None:
        return np.full((len(players), 18), 1 / 18)
    observations = torch.from_numpy(np.stack([player.observation for player in players]))
    logits: torch.Tensor = network.logits(network.encode(observations.to(network.device)))
    probabilities: np.ndarray = logits.double().softmax(-1).cpu().numpy()
    return probabilities
