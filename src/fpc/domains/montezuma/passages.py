"""Games played again: stays in rooms, and the start states on ways that succeeded there.

A start state on such a way can be survived, for the way goes on; the moment a search happened to note a
cell often cannot (the player may be falling). Starts at several points of a way are those of the backward
algorithm (Salimans and Chen 2018) at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.environment import RoomAttempt
from fpc.domains.montezuma.rooms import room_number
from fpc.domains.montezuma.start_states import Demonstration, StartState

POINTS = (0.0, 0.25, 0.5, 0.75)  # of a passage: the entry, and three states after it


@dataclass(frozen=True)
class Passage:
    """One stay in a room, from its entry on; ``states`` are its start states, the entry first."""

    room: int
    kind: tuple[int, int]  # room before, inventory at the entry
    succeeded: bool
    states: tuple[StartState, ...]


@dataclass(frozen=True)
class Walk:
    """A game played again without chance; ``visits`` are steps in cells (room, x, y)."""

    demonstration: Demonstration
    passages: tuple[Passage, ...]
    visits: Counter[tuple[int, int, int]]


def walk(emulator: Emulator, seed: int, actions: Iterable[int]) -> Walk:
    """Play ``actions`` from the start of the game, to its end at most, and note every stay in a room.

    Stays that did not succeed have their entry alone; the first room, that nobody entered, is no stay.
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
            stay = _Stay(RoomAttempt(cell[0], room, inventory, lives), (room, inventory), number, number)
            stays.append(stay)
            room = cell[0]
            entries.setdefault(room, number)
    demonstration = Demonstration(seed, tuple(played), digests[-1], entries, score)
    return Walk(demonstration, tuple(_passage(stay, seed, played, digests) for stay in stays), visits)


@dataclass
class _Stay:
    attempt: RoomAttempt
    kind: tuple[int, int]
    entry: int  # actions before it
    end: int  # actions before it was decided


def _passage(stay: _Stay, seed: int, actions: Sequence[int], digests: Sequence[str]) -> Passage:
    room, succeeded = stay.attempt.room, stay.attempt.outcome == "success"
    shares = POINTS if succeeded else POINTS[:1]
    places = sorted({stay.entry + int(share * (stay.end - stay.entry)) for share in shares})
    states = [StartState(room, seed, tuple(actions[:place]), digests[place]) for place in places]
    return Passage(room, stay.kind, succeeded, tuple(states))


def chosen(known: Iterable[Passage], per_room: int) -> list[StartState]:
    """At most ``per_room`` start states of each room: successful passages of all kinds in turn.

    Entries of other stays only where no passage of the room succeeded.
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


def demonstrations_of(walks: Iterable[Walk], per_room: int) -> list[Demonstration]:
    """The best games through every room that was entered: most points, then fewest steps.

    A game counts for all its rooms, so there are at least ``per_room`` of each where so many are known.
    """
    ranked = sorted({item.demonstration.actions: item.demonstration for item in walks}.values(), key=_rank)
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
    """Passages of all kinds in turn, each kind in the given order."""
    turn: Counter[tuple[int, int]] = Counter()
    ranked: list[tuple[int, int]] = []
    for place, item in enumerate(items):
        ranked.append((turn[item.kind], place))
        turn[item.kind] += 1
    return [items[place] for _, place in sorted(ranked)]
