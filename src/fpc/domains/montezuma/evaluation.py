"""evaluate: every probe on every milestone (paper, figures 3b and 6). Resumes by milestone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fpc.core.files import read_tensors, write_table
from fpc.core.processor import prepare_processor
from fpc.domains.milestones import find_milestones
from fpc.domains.montezuma.config import MontezumaExperiment
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.rollout import Episode, EpisodeRecord, play
from fpc.domains.montezuma.training import starts_in

if TYPE_CHECKING:
    from fpc.workflow.run import Run

RANDOM, START = "random", "start"
_FAR, _CLOSE = 1, 2  # tell the probes' episodes from one another


def evaluate(experiment: MontezumaExperiment, run: Run) -> None:
    """Write ``episodes.parquet``, and ``attempts.parquet`` from which attempts can be played again.

    Probes: ``room_<n>`` (Far; success and return of attempts from entries of the room), ``start``
    (Close; return and rooms of games from the start) and, once, ``random`` (a random policy in the room).
    All milestones are given the same starts and the same chance.

    Raises:
        ValueError: the fine-tuned run left no milestones, or there is no start state in the room.
    """
    prepare_processor()
    milestones = find_milestones(run.parents["finetune"])
    evaluation = Evaluation(experiment, run, len(milestones))
    for place, (step, path) in enumerate(milestones.items()):
        last = run.state / f"episodes_{step}.parquet"
        if not last.exists():
            episodes, attempts = evaluation.measure(step, path, with_random=place == 0)
            write_table(run.state / f"attempts_{step}.parquet", attempts)
            write_table(last, episodes)
        evaluation.finish()
    for name in ("episodes", "attempts"):
        tables = [pd.read_parquet(run.state / f"{name}_{step}.parquet") for step in milestones]
        write_table(run.output / f"{name}.parquet", pd.concat(tables, ignore_index=True))


class Evaluation:
    """What every milestone of a run is measured with."""

    def __init__(self, experiment: MontezumaExperiment, run: Run, milestones: int) -> None:
        self.experiment, self.run = experiment, run
        options, room = experiment.evaluate, experiment.environment.room
        starts = starts_in(run.parents["collect"] / "start_states.json", room)
        first = run.seed * options.episodes  # each seed has its share of them
        self.far = [
            Episode((run.seed, _FAR, number), starts[(first + number) % len(starts)], "room")
            for number in range(options.episodes)
        ]
        self.close = [Episode((run.seed, _CLOSE, number)) for number in range(options.start_episodes)]
        self.each = len(self.far) + len(self.close)
        self.total, self.done = milestones * self.each, 0

    def measure(self, step: int, path: Path, with_random: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Rows of ``episodes.parquet`` and of ``attempts.parquet`` of one milestone."""
        network = MontezumaNetwork(self.experiment.network, self.experiment.environment)
        network.load_state_dict(read_tensors(path))
        network.eval()
        options, environment = self.experiment.evaluate, self.experiment.environment
        game = environment.model_copy(update={"max_steps": options.max_steps})
        far = {f"room_{environment.room}": play(network, environment, self.far, self._report)}
        if with_random:
            far[RANDOM] = play(None, environment, self.far)
        rows = [row for probe, records in far.items() for row in self._far_rows(probe, records)]
        attempts = [row for probe, records in far.items() for row in self._attempts(probe, records)]
        for number, record in enumerate(play(network, game, self.close, self._report)):
            names = {"probe": START, "group": "close", "episode": number}
            rows.append(names | {"measure": "return", "value": record.score})
            rows.append(names | {"measure": "rooms", "value": float(record.rooms)})
        common = {
            "domain": self.experiment.domain,
            "experiment": self.run.experiment,
            "condition": "",
            "method": self.run.method,
            "seed": self.run.seed,
            "step": step,
        }
        episodes, plays = (pd.DataFrame([common | row for row in part]) for part in (rows, attempts))
        return episodes, plays

    def finish(self) -> None:
        """Count a milestone as done."""
        self.done += self.each
        self.run.report(self.done, self.total)

    def _report(self, done: int) -> None:
        self.run.report(min(self.done + done, self.total), self.total)

    def _attempts(self, probe: str, records: list[EpisodeRecord]) -> list[dict[str, Any]]:
        """Actions, as the game got them, before and in each attempt: without chance they lead through it."""
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

    def _far_rows(self, probe: str, records: list[EpisodeRecord]) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        for number, record in enumerate(records):
            names = {"probe": probe, "group": "far", "episode": number}
            rows.append(names | {"measure": "success", "value": float(bool(record.success))})
            rows.append(names | {"measure": "return", "value": record.score})
        return rows
