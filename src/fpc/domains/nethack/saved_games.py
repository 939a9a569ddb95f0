"""Games of saved policies, played ahead and saved as they end: a resumed run plays only the missing ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fpc.core.files import read_json, write_json
from fpc.domains.nethack.config import EnvironmentOptions
from fpc.domains.nethack.parallel_rollout import Rollouts
from fpc.domains.nethack.rollout import Episode, EpisodeRecord, Planned

Records = dict[str, list[EpisodeRecord]]


@dataclass(frozen=True)
class Request:
    """Episodes to play under the same environment options, with numbers of their own."""

    episodes: Sequence[Episode]
    environment: EnvironmentOptions


@dataclass(frozen=True)
class Wanted:
    """A policy (safetensors) and the games it is to play, by probe."""

    policy: Path
    requests: Mapping[str, Request]

    @property
    def count(self) -> int:
        """Number of games."""
        return sum(len(request.episodes) for request in self.requests.values())


class SavedGames:
    """The games of several policies; processes that have no game left go on with the next policy's.

    Finished games are saved when a probe is complete, after ``seconds``, and when the run is stopped, in one
    file for each policy. Since a game does not depend on those played with it, a resumed run equals an
    uninterrupted one.

    Args:
        rollouts: plays the games.
        wanted: by a name for the policy, in the order in which ``records`` will be called.
        folder: holds the files.
        seconds: between two saves.
    """

    def __init__(
        self, rollouts: Rollouts, wanted: Mapping[str, Wanted], folder: Path, seconds: float
    ) -> None:
        self.wanted, self.folder, self.seconds = wanted, folder, seconds
        self._found = {name: _read(self._file(name)) for name in wanted}
        self._missing = [
            (name, probe, Planned(episode, request.environment))
            for name, of_policy in wanted.items()
            for probe, request in of_policy.requests.items()
            for episode in request.episodes
            if (probe, episode.number) not in self._found[name]
        ]
        games = [(wanted[name].policy, planned) for name, _, planned in self._missing]
        self._ending = rollouts.play(games, lambda: self._alive())
        self._alive: Callable[[], None] = lambda: None
        self._unsaved: set[str] = set()
        self._saved = time.monotonic()

    def records(self, name: str, report: Callable[[int], None] = lambda done: None) -> Records:
        """All games of a policy by probe, in the order of their episodes.

        Args:
            name: of the policy.
            report: called at least every second with the number of its games that have ended.
        """
        found, needed = self._found[name], self.wanted[name].count
        self._alive = lambda: report(len(found))
        try:
            while len(found) < needed:
                self._keep(*next(self._ending))
        finally:
            self._save()
        return {
            probe: [found[probe, episode.number] for episode in request.episodes]
            for probe, request in self.wanted[name].requests.items()
        }

    def _keep(self, index: int, record: EpisodeRecord) -> None:
        name, probe, _ = self._missing[index]
        self._found[name][probe, record.number] = record
        self._unsaved.add(name)
        self._alive()
        if self._is_complete(name, probe) or time.monotonic() - self._saved >= self.seconds:
            self._save()

    def _is_complete(self, name: str, probe: str) -> bool:
        episodes = self.wanted[name].requests[probe].episodes
        return all((probe, episode.number) in self._found[name] for episode in episodes)

    def _save(self) -> None:
        for name in sorted(self._unsaved):
            rows = [{"probe": probe, **asdict(record)} for (probe, _), record in self._found[name].items()]
            write_json(self._file(name), rows)
        self._unsaved.clear()
        self._saved = time.monotonic()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _read(path: Path) -> dict[tuple[str, int], EpisodeRecord]:
    if not path.exists():
        return {}
    return {(row.pop("probe"), row["number"]): _record(row) for row in read_json(path)}


def _record(row: dict[str, Any]) -> EpisodeRecord:
    dungeon = tuple((turn, depth) for turn, depth in row.pop("dungeon"))
    return EpisodeRecord(**row, dungeon=dungeon)
