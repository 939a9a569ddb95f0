"""The expert's search results: trajectories to rooms, from parallel streams of the search."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fpc.core.processes import process_pool, processes_wanted, usable_cores
from fpc.domains.montezuma.config import Goal, GoExploreOptions
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.passages import ReplayedGame, replay_game
from fpc.domains.montezuma.rooms import ram_number
from fpc.domains.montezuma.search import Search

STREAMS = 2  # fixed, as results must not depend on the number of processes
BEST = 20  # trajectories kept per stream, to its best cells
PROGRESS = ["step", "stream", "cells", "rooms", "score"]


@dataclass(frozen=True)
class Exploration:
    """Trajectories into rooms and through the game, shortest first.

    ``progress`` has the columns step, stream, cells, rooms, score; ``visits`` has room, x, y (cells of
    eight pixels), visits; ``first_visits`` has stream, room, ram_room, step.
    """

    trajectories: tuple[tuple[int, bytes], ...]  # seed, actions from the start of the game
    progress: pd.DataFrame
    visits: pd.DataFrame
    first_visits: pd.DataFrame

    def replays(self, goal: Goal = "any") -> list[ReplayedGame]:
        """Replay every trajectory; ``goal`` is what succeeds in a room."""
        emulator = Emulator()
        return [replay_game(emulator, seed, actions, goal) for seed, actions in self.trajectories]


def explore(
    options: GoExploreOptions, seed: int, state: Path, report: Callable[[int], None] = lambda step: None
) -> Exploration:
    """Run all search streams, resuming from ``state``; the result depends on options and seed only."""
    steps = -(-options.steps // STREAMS)
    searches = [Search(options, seed, stream, steps) for stream in range(STREAMS)]
    folders = [state / f"stream_{stream}" for stream in range(STREAMS)]
    processes = min(STREAMS, processes_wanted(otherwise=usable_cores()))
    if processes > 1:
        _run_in_parallel(options, seed, steps, folders, report)
    for stream, (search, folder) in enumerate(zip(searches, folders, strict=True)):
        before = stream * steps if processes == 1 else (STREAMS - 1) * steps
        search.run(folder, lambda step, before=before: report(before + step))  # type: ignore[misc]
    return merged(searches)


def merged(searches: Sequence[Search]) -> Exploration:
    """Combine the results of several streams."""
    trajectories: list[tuple[int, bytes]] = []
    visits: Counter[tuple[int, int, int]] = Counter()
    for search in searches:
        trajectories += [
            (search.seed, search.trajectory(node) + actions)
            for known in (search.entries, search.gains)
            for node, actions in known.values()
        ]
        best = sorted(search.cells.values(), key=lambda node: (-search.scores[node], search.lengths[node]))
        trajectories += [(search.seed, search.trajectory(node)) for node in best[:BEST]]
        visits.update(search.visits)
    progress = [(row[0], search.stream, *row[1:]) for search in searches for row in search.progress]
    first = [(search.stream, *item) for search in searches for item in search.first_steps.items()]
    return Exploration(
        shortest_first(trajectories),
        pd.DataFrame(progress, columns=PROGRESS),
        visits_table(visits),
        first_visits_table(first),
    )


def shortest_first(trajectories: Iterable[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    """Distinct trajectories, sorted by length."""
    return tuple(sorted(set(trajectories), key=lambda item: (len(item[1]), item)))


def visits_table(visits: Mapping[tuple[int, int, int], int]) -> pd.DataFrame:
    """Columns room, x, y, visits."""
    rows = [(*cell, count) for cell, count in sorted(visits.items())]
    return pd.DataFrame(rows, columns=["room", "x", "y", "visits"]).astype("int64")


def first_visits_table(visits: Iterable[tuple[int, int, int]]) -> pd.DataFrame:
    """Table of (stream, room, step) with ``ram_room`` added; the rooms' numbers derive from it."""
    rows = [(stream, room, ram_number(room), step) for stream, room, step in visits]
    columns = ["stream", "room", "ram_room", "step"]
    return pd.DataFrame(rows, columns=columns).astype("int64").sort_values(["stream", "step"], kind="stable")


_counts: Any = None


def _set_counts(counts: Any) -> None:
    global _counts
    _counts = counts


def _run(options: GoExploreOptions, seed: int, stream: int, steps: int, folder: Path) -> None:
    def note(step: int) -> None:
        _counts[stream] = step

    Search(options, seed, stream, steps).run(folder, note)


def _run_in_parallel(
    options: GoExploreOptions,
    seed: int,
    steps: int,
    folders: Sequence[Path],
    report: Callable[[int], None],
) -> None:
    """Run each stream in a process of its own, which leaves its results in the stream's folder."""
    counts = multiprocessing.get_context("spawn").Array("q", len(folders), lock=False)
    with process_pool(len(folders), _set_counts, (counts,)) as pool:
        futures = [
            pool.submit(_run, options, seed, stream, steps, folder) for stream, folder in enumerate(folders)
        ]
        while not all(future.done() for future in futures):
            report(sum(counts))
            time.sleep(0.5)
        for future in futures:
            future.result()
