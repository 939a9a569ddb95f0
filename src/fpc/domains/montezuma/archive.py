"""What the expert found: ways to rooms, from streams of the search run side by side."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fpc.config.montezuma import GoExploreOptions
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.passages import chosen, passages
from fpc.domains.montezuma.search import Search
from fpc.domains.montezuma.start_states import Demonstration, StartState, demonstration_of

STREAMS = 2  # fixed: what is found must not depend on the number of processes
DEMONSTRATIONS = 20  # of a stream at most


@dataclass(frozen=True)
class Way:
    """Actions from the start of the game into a room."""

    room: int
    seed: int
    actions: bytes
    kind: tuple[int, int]  # room before, inventory


@dataclass(frozen=True)
class Found:
    """Ways into rooms and through the game.

    ``progress`` has the columns step, stream, cells, rooms, score; ``visits`` room, x, y (cells of
    eight pixels), visits.
    """

    ways: tuple[Way, ...]
    games: tuple[tuple[int, bytes, frozenset[int]], ...]  # seed, actions, rooms on the way
    progress: pd.DataFrame
    visits: pd.DataFrame

    def start_states(self, per_room: int) -> list[StartState]:
        """At most ``per_room`` of each room, from stays that succeeded there; shorter ways first."""
        emulator = Emulator()
        played = [(way.seed, way.actions) for way in self.ways]
        played += [(seed, actions) for seed, actions, _ in self.games]
        return chosen(
            [item for seed, actions in played for item in passages(emulator, seed, actions)], per_room
        )

    def demonstrations(self, room: int) -> list[Demonstration]:
        """Games that pass through a room, the best first."""
        emulator = Emulator()
        return [
            demonstration_of(emulator, seed, actions) for seed, actions, rooms in self.games if room in rooms
        ]


def explore(
    options: GoExploreOptions, seed: int, state: Path, report: Callable[[int], None] = lambda step: None
) -> Found:
    """Search with all streams; resumes from ``state``. The result follows from options and seed alone."""
    steps = -(-options.steps // STREAMS)
    searches = [Search(options, seed, stream, steps) for stream in range(STREAMS)]
    folders = [state / f"stream_{stream}" for stream in range(STREAMS)]
    processes = min(STREAMS, int(os.environ.get("FPC_PROCESSES", os.cpu_count() or 1)))
    if processes > 1:
        _side_by_side(options, seed, steps, folders, report)
    for stream, (search, folder) in enumerate(zip(searches, folders, strict=True)):
        before = stream * steps if processes == 1 else (STREAMS - 1) * steps
        search.run(folder, lambda step, before=before: report(before + step))  # type: ignore[misc]
    return found_by(searches)


def found_by(searches: Sequence[Search]) -> Found:
    """What several streams found together."""
    ways = [
        Way(entry[0], search.seed, search.way(node) + actions, (entry[1], entry[2]))
        for search in searches
        for entry, (node, actions) in search.entries.items()
    ]
    ways.sort(key=lambda way: (len(way.actions), way.actions))
    games = []
    for search in searches:
        best = sorted(search.cells.values(), key=lambda node: (-search.scores[node], search.lengths[node]))
        for node in best[:DEMONSTRATIONS]:
            games.append((search.seed, search.way(node), frozenset(search.rooms_on_the_way(node))))
    visits: Counter[tuple[int, int, int]] = Counter()
    for search in searches:
        visits.update(search.visits)
    progress = [(row[0], search.stream, *row[1:]) for search in searches for row in search.progress]
    return Found(
        tuple(ways),
        tuple(games),
        pd.DataFrame(progress, columns=["step", "stream", "cells", "rooms", "score"]),
        pd.DataFrame(
            [(*key, count) for key, count in sorted(visits.items())], columns=["room", "x", "y", "visits"]
        ).astype("int64"),
    )


_counts: Any = None


def _share(counts: Any) -> None:
    global _counts
    _counts = counts


def _run(options: GoExploreOptions, seed: int, stream: int, steps: int, folder: Path) -> None:
    def note(step: int) -> None:
        _counts[stream] = step

    Search(options, seed, stream, steps).run(folder, note)


def _side_by_side(
    options: GoExploreOptions,
    seed: int,
    steps: int,
    folders: Sequence[Path],
    report: Callable[[int], None],
) -> None:
    """Each stream in a process; they leave their results in their folders."""
    context = multiprocessing.get_context("spawn")
    counts = context.Array("q", len(folders), lock=False)
    pool = ProcessPoolExecutor(len(folders), context, _share, (counts,))
    with pool:
        futures = [
            pool.submit(_run, options, seed, stream, steps, folder) for stream, folder in enumerate(folders)
        ]
        while not all(future.done() for future in futures):
            report(sum(counts))
            time.sleep(0.5)
        for future in futures:
            future.result()
