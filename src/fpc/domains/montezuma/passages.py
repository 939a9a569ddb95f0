"""Replayed games: stays in rooms, and start states along trajectories that succeeded there.

A start state on such a trajectory can be survived, as the trajectory continues; the moment at which a search
recorded a cell often cannot (the player may be falling). Starting from several points of a trajectory
is the backward algorithm (Salimans and Chen 2018) with all its starts at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fpc.domains.montezuma.config import Goal
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.environment import RoomAttempt
from fpc.domains.montezuma.rooms import room_number
from fpc.domains.montezuma.start_states import Demonstration, StartState

POINTS = (0.0, 0.25, 0.5, 0.75)  # fractions of a passage: the entry and three later states


@dataclass(frozen=True)
class Passage:
    """One stay in a room; ``states`` are its start states, the entry first."""

    room: int
    kind: tuple[int, int]  # previous room, inventory at the entry
    succeeded: bool
    states: tuple[StartState, ...]


@dataclass(frozen=True)
class ReplayedGame:
    """A game replayed deterministically; ``visits`` counts steps in each cell (room, x, y)."""

    demonstration: Demonstration
    passages: tuple[Passage, ...]
    visits: Counter[tuple[int, int, int]]


def replay_game(emulator: Emulator, seed: int, actions: Iterable[int], goal: Goal = "any") -> ReplayedGame:
    """Play ``actions`` from the start of the game, stopping when it is over, and record every stay in a room.

    ``goal`` is what succeeds there. A stay without success has its entry as its only start state. The first
    room, never entered, is no stay.
    """
    emulator.reset()
    room = room_number(emulator.ram_room)
    stay: _Stay | None = None
    stays: list[_Stay] = []
    digests = [emulator.digest()]  # before each action
    entries, score, played = {room: 0}, 0.0, bytearray()
    visits: Counter[tuple[int, int, int]] = Counter()
    for number, action in enumerate(actions, start=1):
        reward = emulator.step(action)
        score += reward
        played.append(action)
        digests.append(emulator.digest())
        if emulator.game_over:
            break
        cell, inventory, lives = emulator.cell(), emulator.inventory, emulator.lives
        visits[cell] += 1
        if stay is not None and stay.attempt.outcome == "going":
            stay.attempt.see(cell[0], reward, inventory, lives)
            stay.end = number
        if cell[0] != room:
            attempt = RoomAttempt(cell[0], room, inventory, lives, goal)
            stay = _Stay(attempt, (room, inventory), number, number)
            stays.append(stay)
            room = cell[0]
            entries.setdefault(room, number)
    demonstration = Demonstration(seed, tuple(played), digests[-1], entries, score)
    return ReplayedGame(demonstration, tuple(_passage(stay, seed, played, digests) for stay in stays), visits)


@dataclass
class _Stay:
    attempt: RoomAttempt
    kind: tuple[int, int]
    entry: int  # actions before the entry
    end: int  # actions before its outcome


def _passage(stay: _Stay, seed: int, actions: Sequence[int], digests: Sequence[str]) -> Passage:
    room, succeeded = stay.attempt.room, stay.attempt.outcome == "success"
    shares = POINTS if succeeded else POINTS[:1]
    indices = sorted({stay.entry + int(share * (stay.end - stay.entry)) for share in shares})
    states = [StartState(room, seed, tuple(actions[:index]), digests[index]) for index in indices]
    return Passage(room, stay.kind, succeeded, tuple(states))


def choose_start_states(known: Iterable[Passage], per_room: int) -> list[StartState]:
    """Up to ``per_room`` start states per room, from successful passages of all kinds in turn.

    Other stays' entries are used only if no passage of the room succeeded.
    """
    by_room: dict[int, list[Passage]] = {}
    for passage in known:
        by_room.setdefault(passage.room, []).append(passage)
    states: list[StartState] = []
    for room in sorted(by_room):
        candidates = [item for item in by_room[room] if item.succeeded] or by_room[room]
        of_room: dict[str, StartState] = {}
        for passage in _spread(candidates):
            for state in passage.states:
                of_room.setdefault(state.digest, state)
        states += [*of_room.values()][:per_room]
    return states


def demonstrations_of(replays: Iterable[ReplayedGame], per_room: int) -> list[Demonstration]:
    """The best games through every room that was entered: most points, then fewest steps.

    A game counts for all its rooms, so each room has at least ``per_room`` games if that many are known.
    """
    ranked = sorted({item.demonstration.actions: item.demonstration for item in replays}.values(), key=_rank)
    kept: list[Demonstration] = []
    through: Counter[int] = Counter()
    for demonstration in ranked:
        if any(through[room] < per_room for room in demonstration.room_entries):
            kept.append(demonstration)
            through.update(demonstration.room_entries.keys())
    return kept


def _rank(demonstration: Demonstration) -> tuple[float, int, tuple[int, ...]]:
    return -demonstration.score, len(demonstration.actions), demonstration.actions


def _spread(items: Sequence[Passage]) -> list[Passage]:
    """Interleave the kinds of passages, keeping the order within each kind."""
    turn: Counter[tuple[int, int]] = Counter()
    ranked: list[tuple[int, int]] = []
    for index, item in enumerate(items):
        ranked.append((turn[item.kind], index))
        turn[item.kind] += 1
    return [items[index] for _, index in sorted(ranked)]
