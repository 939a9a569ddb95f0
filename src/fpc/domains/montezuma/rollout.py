"""Games of a policy, several side by side."""

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
_ACTIONS = 1  # tells the actions' generator from the environment's


@dataclass(frozen=True)
class Episode:
    """What to play; all chance follows from ``stream``."""

    stream: tuple[int, ...]
    start: StartState | None = None
    task: Task = "game"


@dataclass(frozen=True)
class EpisodeRecord:
    """How it went."""

    score: float
    success: bool | None  # in the room it began in
    length: int
    room_steps: dict[int, int]
    actions: tuple[int, ...] = field(repr=False)  # as the game got them

    @property
    def rooms(self) -> int:
        """Different rooms visited."""
        return len(self.room_steps)


class _Player:
    """One episode under way."""

    def __init__(self, place: int, episode: Episode, environment: MontezumaEnvironment) -> None:
        self.place, self.environment = place, environment
        environment.stream, environment.episode, environment.task = episode.stream, -1, episode.task
        self.observation, _ = environment.reset(options={"start": episode.start})
        self.generator = rng_of(*episode.stream, _ACTIONS)
        self.actions: list[int] = []

    def step(self, action: int) -> EpisodeRecord | None:
        """One step; the record where it was the last."""
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
    """Play every episode with sampled actions; without a network at random.

    ``report(done)`` is called after each finished episode. Records are in the order of ``episodes``.
    """
    records: dict[int, EpisodeRecord] = {}
    waiting = list(enumerate(episodes))[::-1]
    spare = [MontezumaEnvironment(options) for _ in range(min(batch, len(waiting)))]
    players: list[_Player] = []
    while waiting or players:
        while waiting and spare:
            place, episode = waiting.pop()
            players.append(_Player(place, episode, spare.pop()))
        going = []
        for player, shares in zip(players, _shares(network, players), strict=True):
            record = player.step(int(np.searchsorted(np.cumsum(shares)[:-1], player.generator.random())))
            if record is None:
                going.append(player)
                continue
            records[player.place] = record
            spare.append(player.environment)
            report(len(records))
        players = going
    return [records[place] for place in range(len(episodes))]


def _shares(network: MontezumaNetwork | None, players: Sequence[_Player]) -> np.ndarray:
    """Probabilities of the actions, float64 ``[N, 18]``."""
    if network is None:
        return np.full((len(players), 18), 1 / 18)
    observations = torch.from_numpy(np.stack([player.observation for player in players]))
    logits: torch.Tensor = network.policy(network.encode(observations))
    shares: np.ndarray = logits.double().softmax(-1).numpy()
    return shares
