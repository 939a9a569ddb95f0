"""One stream of Go-Explore's first phase (Ecoffet et al. 2021): return to a cell, then explore from it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from fpc.core.checkpoint import load_checkpoint, save_checkpoint
from fpc.core.seeds import rng_of
from fpc.domains.montezuma.config import GoExploreOptions
from fpc.domains.montezuma.emulator import ACTIONS, CELL, INVENTORY, ROOM, Emulator, X, Y
from fpc.domains.montezuma.rooms import room_number

Cell = tuple[int, int, int, int]  # room, x // 8, y // 8, inventory
Entry = tuple[int, int, int, int]  # room, previous room, inventory, x // 8
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
            score += self.emulator.step(action)
            actions.append(action)
            self._count()
            if self.emulator.lives < lives:
                break
            cell = self._cell()
            self.visits[cell[:3]] += 1
            self.first_steps.setdefault(cell[0], self.steps)
            if cell[0] != room:
                self._enter(cell, room, node, bytes(actions))
                room = cell[0]
            self._keep(cell, node, bytes(actions), score)

    def _count(self) -> None:
        self.steps += 1
        if self.steps % MEASURE_EVERY == 0:
            rooms = len({cell[0] for cell in self.order})
            self.progress.append((self.steps, len(self.order), rooms, max(self.scores)))

    def _enter(self, cell: Cell, before: int, node: int, actions: bytes) -> None:
        entry = (cell[0], before, cell[3], cell[1])
        known = self.entries.get(entry)
        length = self.lengths[node] + len(actions)
        if known is None or length < self.lengths[known[0]] + len(known[1]):
            self.entries[entry] = (node, actions)

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
        ends = np.cumsum([0, *(len(actions) for _, actions in self.entries.values())])
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
            "entries": torch.tensor([*self.entries], dtype=torch.int64).reshape(-1, 4),
            "entry_nodes": torch.tensor([node for node, _ in self.entries.values()], dtype=torch.int64),
            "entry_actions": _bytes(b"".join(actions for _, actions in self.entries.values())),
            "entry_ends": torch.from_numpy(ends),
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
        actions = _split(found["entry_actions"], found["entry_ends"])
        trajectories = zip(found["entry_nodes"].tolist(), actions, strict=True)
        self.entries = {
            tuple(key): trajectory
            for key, trajectory in zip(found["entries"].tolist(), trajectories, strict=True)
        }
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
