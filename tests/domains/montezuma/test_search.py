from __future__ import annotations

from pathlib import Path

import pytest

from fpc.domains.montezuma.archive import explore
from fpc.domains.montezuma.config import GoExploreOptions
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.rooms import room_number
from fpc.domains.montezuma.search import Search

OPTIONS = GoExploreOptions(steps=12_000, burst=40, repeat=0.9)


def described(search: Search) -> object:
    trajectories = {cell: search.trajectory(node) for cell, node in search.cells.items()}
    entries, gains = (
        {key: search.trajectory(node) + actions for key, (node, actions) in known.items()}
        for known in (search.entries, search.gains)
    )
    return trajectories, entries, gains, dict(search.visits), search.progress, search.chosen, search.steps


def test_an_interrupted_search_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = Search(OPTIONS, 0, 0, 6000)
    whole.run(tmp_path / "whole", lambda step: None)

    def stop(step: int) -> None:
        if step > 3000:
            raise KeyboardInterrupt

    first = Search(OPTIONS, 0, 0, 6000)
    with pytest.raises(KeyboardInterrupt):
        first.run(tmp_path / "cut", stop)
    first._save(tmp_path / "cut")  # as the checkpoint timer would
    second = Search(OPTIONS, 0, 0, 6000)
    second.run(tmp_path / "cut", lambda step: None)
    assert described(second) == described(whole)


def test_every_cell_is_reached_by_its_trajectory() -> None:
    search = Search(OPTIONS, 1, 0, 3000)
    while search.steps < search.total:
        search._burst()
    emulator = Emulator()
    for cell, node in list(search.cells.items())[::7]:
        emulator.reset()
        for action in search.trajectory(node):
            emulator.step(action)
        reached = emulator.digest()
        emulator.load(search.states[search.index[cell]])
        assert emulator.digest() == reached


def test_the_number_of_processes_does_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for processes in ("1", "2"):
        monkeypatch.setenv("FPC_PROCESSES", processes)
        found.append(explore(OPTIONS, 0, tmp_path / processes))
    assert found[0].trajectories == found[1].trajectories
    assert found[0].first_visits.equals(found[1].first_visits)
    assert found[0].progress.equals(found[1].progress)
    assert found[0].visits.equals(found[1].visits)
    assert list(found[0].progress.columns) == ["step", "stream", "cells", "rooms", "score"]


def test_seeds_and_streams_search_differently() -> None:
    trajectories = set()
    for seed, stream in ((0, 0), (0, 1), (1, 0)):
        search = Search(OPTIONS, seed, stream, 2000)
        while search.steps < search.total:
            search._burst()
        trajectories.add(frozenset(search.trajectory(node) for node in search.cells.values()))
    assert len(trajectories) == 3


def test_the_shortest_way_to_points_is_kept() -> None:
    """Points may cost what a cell is known by, such as a sword: no cell's way earns them there then."""
    search = Search(GoExploreOptions(steps=20_000, burst=100, repeat=0.95), 3, 0, 20_000)
    while not search.gains:
        search._burst()
        assert search.steps < search.total, "this seed finds the key of Room 1"
    ((room, inventory), (node, actions)) = next(iter(search.gains.items()))
    emulator = Emulator()
    emulator.reset()
    *before, last = search.trajectory(node) + actions
    earned = [emulator.step(action) for action in before]
    assert (room, emulator.inventory, room_number(emulator.ram_room)) == (1, inventory, 1)
    assert emulator.step(last) == 100.0
    assert not any(earned)
