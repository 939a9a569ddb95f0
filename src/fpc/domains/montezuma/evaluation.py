"""evaluate: every probe on every milestone (paper, figures 3b and 6); resumable after each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from fpc.core.device import device_name
from fpc.core.files import read_tensors
from fpc.core.tables import EPISODES, NO_START
from fpc.core.torch_settings import configure_torch
from fpc.domains.evaluation import (
    Measured,
    Milestone,
    PiStar,
    evaluate_milestones,
    has_weights,
    identity_of,
    measure_pi_star,
    rows_from,
    start_indices,
)
from fpc.domains.finetuning import POLICY
from fpc.domains.interface import Run
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.factories import GAME_STARTS, measured_starts, starts_in
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.rollout import Episode, EpisodeRecord, play

RANDOM, START = "random", "start"
_FAR, _CLOSE = 1, 2  # distinguish the probes' episodes


def evaluate(experiment: MontezumaExperiment, run: Run) -> None:
    """Write ``episodes.parquet``, and ``attempts.parquet`` from which attempts can be replayed.

    Probes: ``room_<n>`` (Far; success and return of attempts from entries of the room), ``start``
    (Close; return and rooms of games from the start, or from the entry of ``start_room``) and, once,
    ``random`` (a random policy in the room).
    All milestones use the same start states and the same random numbers.

    Raises:
        ValueError: the fine-tuned run left no milestones, or there is no start state in the room.
    """
    configure_torch()
    options = experiment.evaluate
    probes = Probes(experiment, run, options.episodes, options.start_episodes)
    pi_star = PiStar(probes.is_pi_star, probes.own_starts)
    evaluate_milestones(
        experiment.domain, run, probes.measure, episodes=lambda step: probes.count, pi_star=pi_star
    )


def evaluate_pi_star(experiment: MontezumaExperiment, run: Run) -> None:
    """Write the same tables for pi* itself, with ``evaluate.pi_star_episodes`` of each probe."""
    configure_torch()
    count = experiment.evaluate.pi_star_episodes
    probes = Probes(experiment, run, count, count)
    weights = run.parents["pretrain"] / POLICY
    measure_pi_star(experiment.domain, run, weights, probes.measure, probes.count)


class Probes:
    """Everything needed to measure a run's milestones."""

    def __init__(self, experiment: MontezumaExperiment, run: Run, attempts: int, games: int) -> None:
        self.environment, self.options, self.run = experiment.environment, experiment.evaluate, run
        self.identity = identity_of(experiment.domain, run)
        self.network = MontezumaNetwork(experiment.network, self.environment).to(run.device)
        starts = measured_starts(run.parents["collect"] / "start_states.json", self.environment)
        self.starts = start_indices(run, attempts, len(starts))
        self.far = [
            Episode((run.seed, _FAR, number), starts[index], "room")
            for number, index in enumerate(self.starts)
        ]
        room = self.environment.start_room
        entries = [None] if room is None else starts_in(run.parents["collect"] / GAME_STARTS, room)
        self.close = [
            Episode((run.seed, _CLOSE, number), entries[number % len(entries)]) for number in range(games)
        ]

    @property
    def count(self) -> int:
        """Number of episodes at each milestone, for progress reports."""
        return len(self.far) + len(self.close)

    def is_pi_star(self, path: Path) -> bool:
        """Whether a milestone's weights are pi*'s."""
        return has_weights(read_tensors(path), read_tensors(self.run.parents["pretrain"] / POLICY))

    def own_starts(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of pi*'s table that belong to this run's start states; as many attempts as it makes."""
        if name != EPISODES:
            return table[table["episode"] < len(self.far)]
        return rows_from(table, self.starts)

    def measure(self, milestone: Milestone) -> Measured:
        """Rows of ``episodes``, and ``attempts``; at step 0 also those of a random policy."""
        self.network.load_state_dict(read_tensors(milestone.weights))
        self.run.note_device(device_name(self.network.device))
        self.network.eval()
        game = self.environment.model_copy(update={"max_steps": self.options.max_steps})
        room = f"room_{self.environment.room}"
        far = {room: play(self.network, self.environment, self.far, milestone.report)}
        if milestone.step == 0:
            far[RANDOM] = play(None, self.environment, self.far)
        close = play(self.network, game, self.close, lambda done: milestone.report(len(self.far) + done))
        common = self.identity | {"step": milestone.step}
        attempts = [common | row for probe, records in far.items() for row in self._attempts(probe, records)]
        rows = [row for probe, records in far.items() for row in _far_rows(probe, records, self.starts)]
        return {"episodes": rows + _close_rows(close), "attempts": pd.DataFrame(attempts)}

    def _attempts(self, probe: str, records: list[EpisodeRecord]) -> list[dict[str, Any]]:
        """Actions executed before and in each attempt; the game is deterministic, so they reproduce it."""
        return [
            {
                "probe": probe,
                "episode": number,
                "success": bool(record.success),
                "start": bytes(episode.start.actions),
                "actions": bytes(record.actions),
                "digest": episode.start.digest,
            }
            for number, (episode, record) in enumerate(zip(self.far, records, strict=True))
            if episode.start is not None
        ]


def _far_rows(probe: str, records: list[EpisodeRecord], starts: list[int]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, record in enumerate(records):
        names = {"probe": probe, "group": "far", "start": starts[number], "episode": number}
        rows.append(names | {"measure": "success", "value": float(bool(record.success))})
        rows.append(names | {"measure": "return", "value": record.score})
    return rows


def _close_rows(records: list[EpisodeRecord]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for number, record in enumerate(records):
        names = {"probe": START, "group": "close", "start": NO_START, "episode": number}
        rows.append(names | {"measure": "return", "value": record.score})
        rows.append(names | {"measure": "rooms", "value": float(record.rooms)})
    return rows
