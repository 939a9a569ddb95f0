"""evaluate: every probe on every milestone (paper, figures 4 and 5, table 4). Resumes by milestone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from fpc.core.files import write_table
from fpc.domains.milestones import find_milestones
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.divergence import divergence_rows, read_divergence_data, same_encoder
from fpc.domains.nethack.parallel_rollout import Request, Rollouts, load_policy
from fpc.domains.nethack.rollout import Episode, EpisodeRecord, new_episodes
from fpc.domains.nethack.start_states import StartState, by_probe, read_start_states

if TYPE_CHECKING:
    from pathlib import Path

    from fpc.workflow.run import Run

CLOSE, FINAL, SOKOBAN = "level_1", "final", "sokoban"
TABLES = ("dungeon", "episodes")  # the last one is written last: it is the commit
EPISODE_COLUMNS = ["step", "probe", "group", "episode", "measure", "value"]
DUNGEON_COLUMNS = ["seed", "step", "episode", "turn", "depth"]


def evaluate(experiment: NetHackExperiment, run: Run) -> None:
    """Write ``episodes.parquet`` and ``dungeon.parquet``.

    Raises:
        ValueError: the fine-tuned run left no milestones, or an input does not fit the configuration.
    """
    milestones = find_milestones(run.parents["finetune"])
    evaluation = Evaluation(experiment, run, milestones)
    with Rollouts(experiment.network, experiment.evaluate.batch) as rollouts:
        for step in milestones:
            folder = run.state / f"step_{step}"
            if not (folder / "episodes.parquet").exists():
                for name, table in evaluation.measure(rollouts, step).items():
                    write_table(folder / f"{name}.parquet", table)
            evaluation.finish(step)
    for name in TABLES:
        tables = [pd.read_parquet(run.state / f"step_{step}" / f"{name}.parquet") for step in milestones]
        write_table(run.output / f"{name}.parquet", pd.concat(tables, ignore_index=True))


class Evaluation:
    """What every milestone of a run is measured with."""

    def __init__(self, experiment: NetHackExperiment, run: Run, milestones: dict[int, Path]) -> None:
        self.experiment, self.run, self.milestones = experiment, run, milestones
        self.far = f"level_{experiment.collect.far_level}"
        self.requests = self._probes(run.parents["collect"] / "start_states.json")
        self.final = self._request(experiment.evaluate.final_episodes, FINAL, experiment.evaluate.max_steps)
        self.whole = {min(milestones), max(milestones)}
        self.total = sum(self._episodes(step) for step in milestones)
        self.done = 0
        self.data = None
        data = run.parents["collect"] / "divergence.safetensors"
        if data.exists():
            self.data = read_divergence_data(data)
        self.common = {
            "domain": experiment.domain,
            "experiment": run.experiment,
            "condition": "",
            "method": run.method,
            "seed": run.seed,
        }

    def measure(self, rollouts: Rollouts, step: int) -> dict[str, pd.DataFrame]:
        """Tables of one milestone, by name."""
        path = self.milestones[step]
        requests = self.requests | ({FINAL: self.final} if step in self.whole else {})
        played = rollouts.play(path, requests, lambda done: self.run.report(self.done + done, self.total))
        rows = [row for probe, records in played.items() for row in self._rows(probe, records)]
        rows += self._divergence(path)
        episodes = pd.DataFrame([self.common | {"step": step} | row for row in rows])
        return {
            "dungeon": self._dungeon(step, played.get(FINAL, [])),
            "episodes": episodes[[*self.common, *EPISODE_COLUMNS]],
        }

    def finish(self, step: int) -> None:
        """Count a milestone as done."""
        self.done += self._episodes(step)
        self.run.report(self.done, self.total)

    def _probes(self, path: Path) -> dict[str, Request]:
        options = self.experiment.evaluate
        states = by_probe(read_start_states(path))
        requests = {CLOSE: self._request(options.episodes, CLOSE, options.max_steps)}
        counts = {self.far: options.episodes, SOKOBAN: options.sokoban_episodes}
        for probe, count in counts.items():
            if count and probe in states:
                first, known = self.run.seed * count, states[probe]  # each seed has its share of them
                starts = [known[(first + number) % len(known)] for number in range(count)]
                requests[probe] = self._request(starts, probe, options.far_max_steps)
        return requests

    def _request(self, starts: int | Sequence[StartState], probe: str, max_steps: int) -> Request:
        environment = self.experiment.environment.model_copy(update={"max_steps": max_steps})
        episodes: list[Episode] = new_episodes(self.run.seed, probe, starts)
        return Request(episodes, environment)

    def _episodes(self, step: int) -> int:
        final = [self.final] if step in self.whole else []
        return sum(len(request.episodes) for request in [*self.requests.values(), *final])

    def _divergence(self, path: Path) -> list[dict[str, Any]]:
        """Rows of the divergence from pi*; none where it cannot be told.

        Features of pi*'s encoder say nothing about a network whose own encoder is another.
        """
        if self.data is None:
            return []
        network = load_policy(path, self.experiment.network)
        if "features" in self.data:
            pi_star = load_policy(
                self.run.parents["pretrain"] / "policy.safetensors", self.experiment.network
            )
            if not same_encoder(network, pi_star):
                return []
        return divergence_rows(network, self.data, self.experiment.collect.far_level)

    def _rows(self, probe: str, records: Sequence[EpisodeRecord]) -> list[dict[str, Any]]:
        group = {CLOSE: "close", FINAL: "whole"}.get(probe, "far")
        rows = []
        for record in records:
            measures = {"return": record.score, **record.metrics}
            if probe == SOKOBAN:
                measures["pits_filled"] = record.pits_filled
            names = {"probe": probe, "group": group, "episode": record.number}
            rows += [names | {"measure": measure, "value": value} for measure, value in measures.items()]
        return rows

    def _dungeon(self, step: int, records: Sequence[EpisodeRecord]) -> pd.DataFrame:
        """Where the ``final`` games reached deeper levels; empty for milestones without such games."""
        rows = [
            (self.run.seed, step, record.number, turn, depth)
            for record in records
            for turn, depth in record.dungeon
        ]
        return pd.DataFrame(rows, columns=DUNGEON_COLUMNS).astype("int64")
