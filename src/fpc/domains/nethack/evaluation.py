"""evaluate: every probe on every milestone (paper, figures 4 and 5, table 4).

The games of all milestones are played ahead and saved as they end, so a resumed run plays only the others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from fpc.core.files import read_tensors
from fpc.core.milestones import find_milestones
from fpc.core.tables import EPISODES, NO_START
from fpc.domains.evaluation import (
    Measured,
    Milestone,
    PiStar,
    evaluate_milestones,
    has_weights,
    measure_pi_star,
    rows_from,
    start_indices,
    unmeasured_milestones,
)
from fpc.domains.finetuning import POLICY
from fpc.domains.interface import Run
from fpc.domains.nethack.config import NetHackExperiment
from fpc.domains.nethack.divergence import (
    Divergence,
    read_divergence_data,
    same_encoder,
    shortened,
    with_outputs,
)
from fpc.domains.nethack.environment import SOKOBAN
from fpc.domains.nethack.milestone_weights import complete_weights
from fpc.domains.nethack.network import NetHackNetwork
from fpc.domains.nethack.parallel_rollout import Rollouts, load_policy
from fpc.domains.nethack.rollout import EpisodeRecord, new_episodes
from fpc.domains.nethack.saved_games import Request, SavedGames, Wanted
from fpc.domains.nethack.start_states import StartState, by_probe, read_start_states

VALUE_HEAD = "baseline."
CLOSE, FINAL = "level_1", "final"
DUNGEON_COLUMNS = ["seed", "step", "episode", "turn", "depth"]


def evaluate(experiment: NetHackExperiment, run: Run) -> None:
    """Write ``episodes.parquet`` and ``dungeon.parquet``.

    Raises:
        ValueError: the fine-tuning run left no milestones, or an input does not fit the configuration.
    """
    milestones = find_milestones(run.parents["finetune"])
    options = experiment.evaluate
    final_far = options.final_far_episodes or options.episodes
    counts = Counts(options.episodes, options.sokoban_episodes, options.final_episodes, final_far)
    ends = {min(milestones), max(milestones)}
    probes = Probes(experiment, run, counts, ends, {*ends, *experiment.finetune.early_milestones[-1:]})
    pi_star = PiStar(cache(probes.is_pi_star), probes.own_starts)  # asked here and in the loop
    to_play = {
        str(step): Wanted(path, probes.requests_at(step))
        for step, path in unmeasured_milestones(run, pi_star).items()
    }
    with probes.playing(to_play) as measure:
        evaluate_milestones(experiment.domain, run, measure, episodes=probes.episodes, pi_star=pi_star)


def evaluate_pi_star(experiment: NetHackExperiment, run: Run) -> None:
    """Write the same tables for pi* itself, with ``evaluate.pi_star_episodes`` of each probe."""
    count = experiment.evaluate.pi_star_episodes
    counts = Counts(count, count if experiment.evaluate.sokoban_episodes else 0, count, count)
    probes = Probes(experiment, run, counts, {0}, {0})
    with probes.playing({"0": Wanted(probes.pi_star, probes.requests_at(0))}) as measure:
        measure_pi_star(experiment.domain, run, probes.pi_star, measure, probes.episodes(0))


@dataclass(frozen=True)
class Counts:
    """Numbers of episodes: at level 1 and on the Far level, in Sokoban; with some milestones also of `final`
    games, or more on the Far level.
    """

    level: int
    sokoban: int
    final: int
    final_far: int


class Probes:
    """The probes of milestones; at ``final_steps`` also `final` games, at ``far_steps`` more Far games."""

    def __init__(
        self,
        experiment: NetHackExperiment,
        run: Run,
        counts: Counts,
        final_steps: Collection[int],
        far_steps: Collection[int],
    ) -> None:
        self.experiment, self.run, self.counts = experiment, run, counts
        self.pi_star = run.parents["pretrain"] / POLICY
        self.final_steps, self.far_steps = final_steps, far_steps
        self.far = f"level_{experiment.collect.far_level}"
        self.starts: dict[str, list[int]] = {}  # probe -> index of each episode's start state
        self.final = {FINAL: self._request(counts.final, FINAL, experiment.evaluate.max_steps)}
        self.more_far: dict[str, Request] = {}
        self.requests = self._probes(run.parents["collect"] / "start_states.json")
        data = run.parents["collect"] / "divergence.safetensors"
        self.divergence: Divergence | None = None
        if data.exists():
            games = shortened(read_divergence_data(data), experiment.evaluate.divergence_steps)
            self.divergence = Divergence(with_outputs(games, self.pi_star), experiment.collect.far_level)

    @contextmanager
    def playing(self, wanted: Mapping[str, Wanted]) -> Iterator[Callable[[Milestone], Measured]]:
        """Within the block, a function that measures a milestone; ``wanted`` holds all of them, by step."""
        options, run = self.experiment.evaluate, self.run
        network, batch = self.experiment.network, options.batch
        playing = Rollouts(network, batch, device=run.device, on_device=run.note_device, pi_star=self.pi_star)
        with playing as rollouts:
            games = SavedGames(rollouts, wanted, run.state / "games", run.checkpoint_seconds)
            yield lambda milestone: self._measure(milestone, games)

    def _measure(self, milestone: Milestone, games: SavedGames) -> Measured:
        """Rows of ``episodes``, and of ``dungeon`` for the ``final`` games."""
        played = games.records(str(milestone.step), milestone.report)
        rows = [
            row for probe, records in played.items() for row in _rows(probe, records, self.starts.get(probe))
        ]
        rows += self._divergence(milestone)
        return {"episodes": rows, "dungeon": self._dungeon(milestone.step, played.get(FINAL, []))}

    def episodes(self, step: int) -> int:
        """Number of games played and walked with the milestone at ``step``."""
        walked = 0 if self.divergence is None else self.divergence.games
        return self._games(step) + walked

    def _games(self, step: int) -> int:
        return sum(len(request.episodes) for request in self.requests_at(step).values())

    def requests_at(self, step: int) -> dict[str, Request]:
        """The games of the milestone at ``step``, by probe."""
        final = self.final if step in self.final_steps else {}
        return self.requests | final | (self.more_far if step in self.far_steps else {})

    def _probes(self, path: Path) -> dict[str, Request]:
        options = self.experiment.evaluate
        states = by_probe(read_start_states(path))
        requests = {CLOSE: self._request(self.counts.level, CLOSE, options.max_steps)}
        counts = {self.far: self.counts.level, SOKOBAN: self.counts.sokoban}
        for probe, count in counts.items():
            if count and probe in states:
                known = states[probe]
                usual = start_indices(self.run, count, len(known))
                most = max(len(usual), self.counts.final_far if probe == self.far else 0)
                self.starts[probe] = [(usual[0] + number) % len(known) for number in range(most)]
                starts = [known[index] for index in self.starts[probe]]
                requests[probe] = self._request(starts[: len(usual)], probe, options.far_max_steps)
                if most > len(usual):
                    self.more_far[probe] = self._request(starts, probe, options.far_max_steps)
        return requests

    def is_pi_star(self, path: Path) -> bool:
        """Whether a milestone's weights are pi*'s, whatever the critic's."""
        pi_star = read_tensors(self.pi_star)
        acting = {name: value for name, value in pi_star.items() if not name.startswith(VALUE_HEAD)}
        return has_weights(complete_weights(path, self.pi_star), acting)

    def own_starts(self, name: str, table: pd.DataFrame) -> pd.DataFrame:
        """The rows of pi*'s table that belong to this run's start states."""
        if name != EPISODES:
            return table
        parts = table.groupby("probe", sort=False, observed=True, group_keys=False)
        own = [
            rows_from(rows, self.starts[str(probe)]) if probe in self.starts else rows
            for probe, rows in parts
        ]
        return pd.concat(own).sort_index()

    def _request(self, starts: int | Sequence[StartState], probe: str, max_steps: int) -> Request:
        environment = self.experiment.environment.model_copy(update={"max_steps": max_steps})
        return Request(new_episodes(self.run.seed, probe, starts), environment)

    def _divergence(self, milestone: Milestone) -> list[dict[str, Any]]:
        """Rows of the divergence from pi*; empty if it cannot be measured.

        Stored features of pi*'s encoder cannot be used for a network with a different encoder.
        """
        if self.divergence is None:
            return []
        network = self._load(milestone.weights)
        if self.divergence.needs_encoder_of_pi_star and not same_encoder(network, self._network_of_pi_star):
            return []
        played = self._games(milestone.step)
        return self.divergence.rows(network, lambda: milestone.report(played))

    @cached_property
    def _network_of_pi_star(self) -> NetHackNetwork:
        return self._load(self.pi_star)

    def _load(self, weights: Path) -> NetHackNetwork:
        return load_policy(weights, self.experiment.network, self.run.device, self.pi_star)

    def _dungeon(self, step: int, records: Sequence[EpisodeRecord]) -> pd.DataFrame:
        """One row for each deeper level reached; empty for milestones without ``final`` games."""
        rows = [
            (self.run.seed, step, record.number, turn, depth)
            for record in records
            for turn, depth in record.dungeon
        ]
        return pd.DataFrame(rows, columns=DUNGEON_COLUMNS).astype("int64")


def _rows(probe: str, records: Sequence[EpisodeRecord], starts: list[int] | None) -> list[dict[str, Any]]:
    group = {CLOSE: "close", FINAL: "whole"}.get(probe, "far")
    rows = []
    for record in records:
        measures = {"return": record.score, **record.metrics}
        if probe == SOKOBAN:
            measures["pits_filled"] = record.pits_filled
        start = NO_START if starts is None else starts[record.number]
        names = {"probe": probe, "group": group, "start": start, "episode": record.number}
        rows += [names | {"measure": measure, "value": value} for measure, value in measures.items()]
    return rows
