"""Ways through a room that succeeded there: where its start states come from.

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
from fpc.domains.montezuma.start_states import StartState

POINTS = (0.0, 0.25, 0.5, 0.75)  # of a passage: the entry, and three states after it


@dataclass(frozen=True)
class Passage:
    """One stay in a room, from its entry on; ``states`` are its start states, the entry first."""

    room: int
    kind: tuple[int, int]  # room before, inventory at the entry
    succeeded: bool
    states: tuple[StartState, ...]


def passages(emulator: Emulator, seed: int, actions: bytes) -> list[Passage]:
    """Every stay in a room on the way that ``actions`` take from the start of the game.

    Stays that did not succeed have their entry alone; the first room, that nobody entered, is left out.
    """
    emulator.reset()
    stay: _Stay | None = None
    stays: list[_Stay] = []
    digests = [emulator.digest()]  # before each action
    room = room_number(emulator.ram_room)
    for number, action in enumerate(actions, start=1):
        reward = emulator.step(action)
        digests.append(emulator.digest())
        now, inventory, lives = room_number(emulator.ram_room), emulator.inventory, emulator.lives
        if stay is not None and stay.attempt.outcome == "going":
            stay.attempt.see(now, reward, inventory, lives)
            stay.end = number
        if now != room:
            stay = _Stay(RoomAttempt(now, room, inventory, lives), (room, inventory), number, number)
            stays.append(stay)
            room = now
    return [_passage(stay, seed, actions, digests) for stay in stays]


@dataclass
class _Stay:
    attempt: RoomAttempt
    kind: tuple[int, int]
    entry: int  # actions before it
    end: int  # actions before it was decided


def _passage(stay: _Stay, seed: int, actions: bytes, digests: Sequence[str]) -> Passage:
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


def _spread(items: Sequence[Passage]) -> list[Passage]:
    """Passages of all kinds in turn, each kind in the given order."""
    turn: Counter[tuple[int, int]] = Counter()
    ranked: list[tuple[int, int]] = []
    for place, item in enumerate(items):
        ranked.append((turn[item.kind], place))
        turn[item.kind] += 1
    return [items[place] for _, place in sorted(ranked)]
