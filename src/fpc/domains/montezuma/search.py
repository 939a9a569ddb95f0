"""One stream of Go-Explore's first phase (Ecoffet et al. 2021): return to a cell, then explore from it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from fpc.core.checkpoint import load_checkpoint, save_checkpoint
from fpc.core.seeds import rng_of
from fpc.domains.montezuma.config import GoExploreOptions
from fpc.domains.montezuma.emulator import ACTIONS, CELL, INVENTORY, ROOM, Emulator, X, Y
from fpc.domains.montezuma.rooms import room_number

Cell = tuple[int, int, int, int]  # room, x // 8, y // 8, inventory
Entry = tuple[int, int, int, int]  # room, previous room, inventory, x // 8
Gain = tuple[int, int]  # room, inventory before
Key = TypeVar("Key", bound=tuple[int, ...])
SAVE_SECONDS = 30.0
MEASURE_EVERY = 5000  # steps


class Search:
    """An archive of cells with the best trajectory to each; all randomness follows from ``(seed, stream)``.

    A trajectory is a chain of nodes: ``parents[n]`` and the actions ``segments[n]`` from there. Nodes never
    change, so a better trajectory to a cell does not affect those through the old one.
    """

    def __init__(self, options: GoExploreOptions, seed: int, stream: int, steps: int) -> None:
        self.options, self.seed, self.stream, self.total = options, seed, stream, steps
        self.generator = rng_of(seed, stream)
        self.emulator = Emulator()
        self.emulator.reset()
        self.parents: list[int] = [-1]
        self.segments: list[bytes] = [b""]
        self.scores: list[float] = [0.0]
        self.lengths: list[int] = [0]
        self.rooms: list[int] = [room_number(self.emulator.ram_room)]
        first = self._cell()
        self.cells: dict[Cell, int] = {first: 0}  # cell -> node
        self.order: list[Cell] = [first]
        self.states: list[bytes] = [self.emulator.save()]  # in the order of ``order``
        self.index: dict[Cell, int] = {first: 0}
        self.chosen: list[int] = [0]
        self.entries: dict[Entry, tuple[int, bytes]] = {}  # node, and actions from it to the entry
        self.gains: dict[Gain, tuple[int, bytes]] = {}  # the same, to the step that earned points
        self.visits: Counter[tuple[int, int, int]] = Counter()
        self.progress: list[tuple[int, int, int, float]] = []  # step, cells, rooms, score
        self.first_steps: dict[int, int] = {first[0]: 0}  # room -> step of the first visit
        self.steps = 0

    def run(self, state: Path, report: Callable[[int], None]) -> None:
        """Search until the budget is spent, resuming from the latest checkpoint in ``state`` if any."""
        self._restore(state)
        saved = time.monotonic()
        while self.steps < self.total:
            self._burst()
            report(self.steps)
            if time.monotonic() - saved > SAVE_SECONDS:
                self._save(state)
                saved = time.monotonic()
        self._save(state)

    def trajectory(self, node: int) -> bytes:
        """All actions from the start of the game to a node."""
        parts = []
        while node >= 0:
            parts.append(self.segments[node])
            node = self.parents[node]
        return b"".join(reversed(parts))

    def _cell(self) -> Cell:
        ram = self.emulator.ram
        return room_number(int(ram[ROOM])), int(ram[X]) // CELL, int(ram[Y]) // CELL, int(ram[INVENTORY])

    def _burst(self) -> None:
        """Draw a cell with weight ``1 / sqrt(times chosen + 1)`` and take random, often repeated actions."""
        weights = np.cumsum(1.0 / np.sqrt(np.array(self.chosen) + 1.0))
        index = int(np.searchsorted(weights, self.generator.random() * weights[-1], side="right"))
        self.chosen[index] += 1
        node = self.cells[self.order[index]]
        self.emulator.load(self.states[index])
        lives, score, room = self.emulator.lives, self.scores[node], self.rooms[node]
        actions = bytearray()
        action = int(self.generator.integers(ACTIONS))
        for _ in range(self.options.burst):
            if self.generator.random() >= self.options.repeat:
                action = int(self.generator.integers(ACTIONS))
            inventory, earned = self.emulator.inventory, self.emulator.step(action)
            score += earned
            actions.append(action)
            self._count()
            if self.emulator.lives < lives:
                break
            cell = self._cell()
            if earned > 0:
                self._shorten(self.gains, (cell[0], inventory), node, bytes(actions))
            self.visits[cell[:3]] += 1
            self.first_steps.setdefault(cell[0], self.steps)
            if cell[0] != room:
                self._shorten(self.entries, (cell[0], room, cell[3], cell[1]), node, bytes(actions))
                room = cell[0]
            self._keep(cell, node, bytes(actions), score)

    def _count(self) -> None:
        self.steps += 1
        if self.steps % MEASURE_EVERY == 0:
            rooms = len({cell[0] for cell in self.order})
            self.progress.append((self.steps, len(self.order), rooms, max(self.scores)))

    def _shorten(self, known: dict[Key, tuple[int, bytes]], key: Key, node: int, actions: bytes) -> None:
        """Note a trajectory that leads to ``key`` if none as short is known."""
        before = known.get(key)
        length = self.lengths[node] + len(actions)
        if before is None or length < self.lengths[before[0]] + len(before[1]):
            known[key] = (node, actions)

    def _keep(self, cell: Cell, node: int, actions: bytes, score: float) -> None:
        """Keep a new cell, or a better trajectory to a known one: more points, or as many in fewer steps."""
        known = self.cells.get(cell)
        length = self.lengths[node] + len(actions)
        if known is not None and (-score, length) >= (-self.scores[known], self.lengths[known]):
            return
        self.cells[cell] = len(self.parents)
        self.parents.append(node)
        self.segments.append(actions)
        self.scores.append(score)
        self.lengths.append(length)
        self.rooms.append(cell[0])
        if known is None:
            self.index[cell] = len(self.order)
            self.order.append(cell)
            self.states.append(self.emulator.save())
            self.chosen.append(0)
        else:
            self.states[self.index[cell]] = self.emulator.save()
            self.chosen[self.index[cell]] = 0

    def _save(self, folder: Path) -> None:
        offsets = np.cumsum([0, *map(len, self.segments)])
        state_ends = np.cumsum([0, *map(len, self.states)])
        tensors = {
            "parents": torch.tensor(self.parents),
            "segments": _bytes(b"".join(self.segments)),
            "offsets": torch.from_numpy(offsets),
            "scores": torch.tensor(self.scores, dtype=torch.float64),
            "lengths": torch.tensor(self.lengths),
            "rooms": torch.tensor(self.rooms),
            "order": torch.tensor(self.order),
            "nodes": torch.tensor([self.cells[cell] for cell in self.order]),
            "chosen": torch.tensor(self.chosen),
            "states": _bytes(b"".join(self.states)),
            "state_ends": torch.from_numpy(state_ends),
            **_packed("entry", self.entries),
            **_packed("gain", self.gains),
            "visits": torch.tensor([(*key, count) for key, count in self.visits.items()]).reshape(-1, 4),
            "first_steps": torch.tensor([*self.first_steps.items()]),
            "progress": torch.tensor(self.progress, dtype=torch.float64).reshape(-1, 4),
        }
        save_checkpoint(folder, self.steps, tensors, {"generator": self.generator.bit_generator.state})

    def _restore(self, folder: Path) -> None:
        checkpoint = load_checkpoint(folder)
        if checkpoint is None:
            return
        found = checkpoint.tensors
        self.steps = checkpoint.step
        self.generator.bit_generator.state = checkpoint.state["generator"]
        self.parents = found["parents"].tolist()
        self.segments = _split(found["segments"], found["offsets"])
        self.scores, self.lengths = found["scores"].tolist(), found["lengths"].tolist()
        self.rooms, self.chosen = found["rooms"].tolist(), found["chosen"].tolist()
        self.order = [tuple(cell) for cell in found["order"].tolist()]
        self.cells = dict(zip(self.order, found["nodes"].tolist(), strict=True))
        self.index = {cell: index for index, cell in enumerate(self.order)}
        self.states = _split(found["states"], found["state_ends"])
        self.entries = {(key[0], key[1], key[2], key[3]): at for key, at in _unpacked("entry", found)}
        self.gains = {(key[0], key[1]): at for key, at in _unpacked("gain", found)}
        self.visits = Counter({(row[0], row[1], row[2]): row[3] for row in found["visits"].tolist()})
        self.first_steps = {room: step for room, step in found["first_steps"].tolist()}
        self.progress = [
            (int(row[0]), int(row[1]), int(row[2]), row[3]) for row in found["progress"].tolist()
        ]


def _bytes(content: bytes) -> torch.Tensor:
    return torch.from_numpy(np.frombuffer(content, np.uint8).copy())


def _split(content: torch.Tensor, ends: torch.Tensor) -> list[bytes]:
    whole, offsets = content.numpy().tobytes(), ends.tolist()
    return [whole[begin:end] for begin, end in pairwise(offsets)]


def _packed(name: str, known: Mapping[Key, tuple[int, bytes]]) -> dict[str, torch.Tensor]:
    """Trajectories by key, as tensors; ``_unpacked`` is the inverse."""
    nodes = [node for node, _ in known.values()]
    segments = [actions for _, actions in known.values()]
    return {
        f"{name}_keys": torch.tensor([*known], dtype=torch.int64),
        f"{name}_nodes": torch.tensor(nodes, dtype=torch.int64),
        f"{name}_actions": _bytes(b"".join(segments)),
        f"{name}_ends": torch.from_numpy(np.cumsum([0, *map(len, segments)])),
    }


def _unpacked(name: str, found: Mapping[str, torch.Tensor]) -> Iterator[tuple[list[int], tuple[int, bytes]]]:
    segments: list[bytes] = _split(found[f"{name}_actions"], found[f"{name}_ends"])
    trajectories = zip(found[f"{name}_nodes"].tolist(), segments, strict=True)
    return zip(found[f"{name}_keys"].tolist(), trajectories, strict=True)
