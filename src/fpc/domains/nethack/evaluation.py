"""evaluate: every probe on every milestone (paper, figures 4 and 5, table 4). Resumes per milestone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fpc.core.milestones import find_milestones
from fpc.domains.evaluation import Measured, Milestone, evaluate_milestones
from fpc.domains.finetuning import POLICY
from fpc.domains.interface import Run
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.divergence import divergence_rows, read_divergence_data, same_encoder
from fpc.domains.nethack.parallel_rollout import Request, Rollouts, load_policy
from fpc.domains.nethack.rollout import EpisodeRecord, new_episodes
from fpc.domains.nethack.start_states import StartState, by_probe, read_start_states

CLOSE, FINAL, SOKOBAN = "level_1", "final", "sokoban"
DUNGEON_COLUMNS = ["seed", "step", "episode", "turn", "depth"]


def evaluate(experiment: NetHackExperiment, run: Run) -> None:
    """Write ``episodes.parquet`` and ``dungeon.parquet``.

    Raises:
        ValueError: the fine-tuning run left no milestones, or an input does not fit the configuration.
    """
    with Rollouts(experiment.network, experiment.evaluate.batch) as rollouts:
        probes = Probes(experiment, run, rollouts)
        evaluate_milestones(experiment.domain, run, probes.measure, episodes=probes.episodes)


class Probes:
    """The probes that every milestone of a run is measured on."""

    def __init__(self, experiment: NetHackExperiment, run: Run, rollouts: Rollouts) -> None:
        self.experiment, self.run, self.rollouts = experiment, run, rollouts
        milestones = find_milestones(run.parents["finetune"])
        self.final_steps = {min(milestones), max(milestones)}  # milestones that also play the `final` games
        self.far = f"level_{experiment.collect.far_level}"
        self.requests = self._probes(run.parents["collect"] / "start_states.json")
        self.final = self._request(experiment.evaluate.final_episodes, FINAL, experiment.evaluate.max_steps)
        data = run.parents["collect"] / "divergence.safetensors"
        self.data = read_divergence_data(data) if data.exists() else None

    def measure(self, milestone: Milestone) -> Measured:
        """Rows of ``episodes``, and of ``dungeon`` for the ``final`` games."""
        requests = self._requests_at(milestone.step)
        played = self.rollouts.play(milestone.weights, requests, milestone.report)
        rows = [row for probe, records in played.items() for row in _rows(probe, records)]
        rows += self._divergence(milestone.weights)
        return {"episodes": rows, "dungeon": self._dungeon(milestone.step, played.get(FINAL, []))}

    def episodes(self, step: int) -> int:
        """Number of episodes played with the milestone at ``step``."""
        return sum(len(request.episodes) for request in self._requests_at(step).values())

    def _requests_at(self, step: int) -> dict[str, Request]:
        return self.requests | ({FINAL: self.final} if step in self.final_steps else {})

    def _probes(self, path: Path) -> dict[str, Request]:
        options = self.experiment.evaluate
        states = by_probe(read_start_states(path))
        requests = {CLOSE: self._request(options.episodes, CLOSE, options.max_steps)}
        counts = {self.far: options.episodes, SOKOBAN: options.sokoban_episodes}
        for probe, count in counts.items():
            if count and probe in states:
                first, known = self.run.seed * count, states[probe]  # seeds use different start states
                starts = [known[(first + number) % len(known)] for number in range(count)]
                requests[probe] = self._request(starts, probe, options.far_max_steps)
        return requests

    def _request(self, starts: int | Sequence[StartState], probe: str, max_steps: int) -> Request:
        environment = self.experiment.environment.model_copy(update={"max_steps": max_steps})
        return Request(new_episodes(self.run.seed, probe, starts), environment)

    def _divergence(self, path: Path) -> list[dict[str, Any]]:
        """Rows of the divergence from pi*; empty if it cannot be measured.

        Stored features of pi*'s encoder cannot be used for a network with a different encoder.
        """
        if self.data is None:
            return []
        network = load_policy(path, self.experiment.network)
        if "features" in self.data:
            original = self.run.parents["pretrain"] / POLICY
            if not same_encoder(network, load_policy(original, self.experiment.network)):
                return []
        return divergence_rows(network, self.data, self.experiment.collect.far_level)

    def _dungeon(self, step: int, records: Sequence[EpisodeRecord]) -> pd.DataFrame:
        """One row for each deeper level reached; empty for milestones without ``final`` games."""
        rows = [
            (self.run.seed, step, record.number, turn, depth)
            for record in records
            for turn, depth in record.dungeon
        ]
        return pd.DataFrame(rows, columns=DUNGEON_COLUMNS).astype("int64")


def _rows(probe: str, records: Sequence[EpisodeRecord]) -> list[dict[str, Any]]:
    group = {CLOSE: "close", FINAL: "whole"}.get(probe, "far")
    rows = []
    for record in records:
        measures = {"return": record.score, **record.metrics}
        if probe == SOKOBAN:
            measures["pits_filled"] = record.pits_filled
        names = {"probe": probe, "group": group, "episode": record.number}
        rows += [names | {"measure": measure, "value": value} for measure, value in measures.items()]
    return rows
