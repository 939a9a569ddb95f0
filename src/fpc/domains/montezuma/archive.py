"""What the expert found: ways to rooms, from streams of the search run side by side."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from fpc.core.processes import process_pool
from fpc.domains.montezuma.config import GoExploreOptions
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.passages import Walk, walk
from fpc.domains.montezuma.rooms import ram_number
from fpc.domains.montezuma.search import Search

STREAMS = 2  # fixed: what is found must not depend on the number of processes
BEST = 20  # ways to the best cells of each stream
PROGRESS = ["step", "stream", "cells", "rooms", "score"]


@dataclass(frozen=True)
class Found:
    """Ways into rooms and through the game, shorter ones first.

    ``progress`` has the columns step, stream, cells, rooms, score; ``visits`` room, x, y (cells of
    eight pixels), visits; ``first_visits`` stream, room, ram_room, step.
    """

    ways: tuple[tuple[int, bytes], ...]  # seed, actions from the start of the game
    progress: pd.DataFrame
    visits: pd.DataFrame
    first_visits: pd.DataFrame

    def walks(self) -> list[Walk]:
        """Every way played again."""
        emulator = Emulator()
        return [walk(emulator, seed, actions) for seed, actions in self.ways]


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
    ways: list[tuple[int, bytes]] = []
    visits: Counter[tuple[int, int, int]] = Counter()
    for search in searches:
        ways += [(search.seed, search.way(node) + actions) for node, actions in search.entries.values()]
        best = sorted(search.cells.values(), key=lambda node: (-search.scores[node], search.lengths[node]))
        ways += [(search.seed, search.way(node)) for node in best[:BEST]]
        visits.update(search.visits)
    progress = [(row[0], search.stream, *row[1:]) for search in searches for row in search.progress]
    first = [(search.stream, *item) for search in searches for item in search.first_steps.items()]
    return Found(
        shorter_first(ways),
        pd.DataFrame(progress, columns=PROGRESS),
        visits_table(visits),
        first_visits_table(first),
    )


def shorter_first(ways: Iterable[tuple[int, bytes]]) -> tuple[tuple[int, bytes], ...]:
    """Different ways in the order of their length."""
    return tuple(sorted(set(ways), key=lambda way: (len(way[1]), way)))


def visits_table(visits: Mapping[tuple[int, int, int], int]) -> pd.DataFrame:
    """Columns room, x, y, visits."""
    rows = [(*cell, count) for cell, count in sorted(visits.items())]
    return pd.DataFrame(rows, columns=["room", "x", "y", "visits"]).astype("int64")


def first_visits_table(visits: Iterable[tuple[int, int, int]]) -> pd.DataFrame:
    """Columns stream, room, ram_room, step of (stream, room, step): where the rooms' numbers come from."""
    rows = [(stream, room, ram_number(room), step) for stream, room, step in visits]
    columns = ["stream", "room", "ram_room", "step"]
    return pd.DataFrame(rows, columns=columns).astype("int64").sort_values(["stream", "step"], kind="stable")


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
    counts = multiprocessing.get_context("spawn").Array("q", len(folders), lock=False)
    with process_pool(len(folders), _share, (counts,)) as pool:
        futures = [
            pool.submit(_run, options, seed, stream, steps, folder) for stream, folder in enumerate(folders)
        ]
        while not all(future.done() for future in futures):
            report(sum(counts))
            time.sleep(0.5)
        for future in futures:
            future.result()
