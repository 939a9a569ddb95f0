from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.factories import starts_in
from fpc.domains.montezuma.passages import choose_start_states, demonstrations_of, replay_game
from fpc.domains.montezuma.start_states import (
    by_room,
    read_demonstrations,
    read_start_states,
    replay,
    write_demonstrations,
    write_start_states,
)

from .known_states import STATES, start, starts


def test_every_stored_state_can_be_replayed() -> None:
    emulator = Emulator()
    for state in starts():
        assert replay(emulator, state) == {2: 1, 7: 4}[state.room]
    assert {room: len(states) for room, states in by_room(starts()).items()} == {2: 4, 7: 4}


def test_a_state_with_another_digest_is_rejected() -> None:
    altered = replace(start(2), actions=(*start(2).actions[:-1], 0, 0))
    with pytest.raises(ValueError, match=r"start state in room 2, seed 0: after \d+ actions .* run pretrain"):
        replay(Emulator(), altered)


def test_states_and_demonstrations_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "start_states.json"
    write_start_states(path, starts())
    assert read_start_states(path) == starts()
    assert path.read_bytes() == STATES.read_bytes()
    demonstration = replay_game(Emulator(), 0, start(7, 3).actions).demonstration
    assert demonstration.room_entries[7] == len(start(7).actions)
    assert list(demonstration.room_entries) == [1, 2, 3, 4, 5, 7]
    write_demonstrations(tmp_path / "demonstrations.json", [demonstration])
    assert read_demonstrations(tmp_path / "demonstrations.json") == [demonstration]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"room": 25}, r"states\[1\].room is 25; rooms are 1 to 24"),
        ({"seed": "3"}, r"start_states.json: states\[1\].seed must be int, not '3'; run pretrain again"),
        ({"actions": "6x"}, r"states\[1\].actions must be hexadecimal digits"),
        ({"actions": "12"}, r"states\[1\].actions must be below 18"),
        ({"speed": 1}, r"states\[1\] must have the fields room, seed, actions, digest"),
    ],
)
def test_an_invalid_file_is_rejected_with_its_field(
    tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    path = tmp_path / "start_states.json"
    write_start_states(path, starts())
    content = json.loads(path.read_text())
    content["states"][1] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=text):
        read_start_states(path)


@pytest.mark.parametrize("name", ["states", "demonstrations"])
def test_files_of_another_rom_are_rejected(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"{name}.json"
    path.write_text(json.dumps({"rom": "ab" * 32, name: []}))
    read: Any = read_start_states if name == "states" else read_demonstrations
    with pytest.raises(ValueError, match=r"made with another ROM of Montezuma's Revenge \(abababababab"):
        read(path)


def test_a_room_without_start_states_is_rejected_with_the_rooms_that_have_some() -> None:
    with pytest.raises(ValueError, match=r"no start state in room 9, only in \[2, 7\]; set environment.room"):
        starts_in(STATES, 9)


def test_passages_are_stays_with_start_states_along_the_successful_ones() -> None:
    found = replay_game(Emulator(), 0, start(7, 3).actions).passages
    assert found[0].room == 2
    assert found[0].kind[0] == 1
    assert [later.kind[0] for later in found[1:]] == [stay.room for stay in found[:-1]]
    by = {item.room: item for item in reversed(found)}  # the first stay in each
    assert not by[7].succeeded
    assert by[7].states == (start(7),)
    assert by[3].succeeded
    assert len(by[3].states) == 4
    for item in found:
        for state in item.states:
            replay(Emulator(), state)
    kept = by_room(choose_start_states([*found, *found], 3))
    assert (len(kept[3]), len(kept[7])) == (3, 1)
    assert all(len({state.digest for state in states}) == len(states) for states in kept.values())


def test_passages_succeed_by_the_goal() -> None:
    """The first stay in Room 3 ends at another exit, without points."""
    found = replay_game(Emulator(), 0, start(7, 3).actions, "points").passages
    (stay,) = (item for item in found[:3] if item.room == 3)
    assert not stay.succeeded
    assert len(stay.states) == 1


def test_demonstrations_are_the_best_games_through_every_room() -> None:
    whole = start(7, 3).actions
    replays = [replay_game(Emulator(), 0, whole[:count]) for count in (len(whole), len(start(2).actions), 20)]
    found = demonstrations_of([*replays, replays[0]], 1)
    assert [item.actions for item in found] == [whole]  # it passes through all rooms of the others
    assert found[0].score == max(item.demonstration.score for item in replays)
    assert (
        len(demonstrations_of(replays, 2)) == 2
    )  # two games cover Rooms 1 and 2, and the third adds no room


def test_a_replay_ends_with_the_game_and_counts_its_steps() -> None:
    found = replay_game(Emulator(), 0, [3] * 5000)  # runs off the first ledge until no life is left
    emulator = Emulator()
    emulator.reset()
    for action in found.demonstration.actions:
        assert not emulator.game_over
        emulator.step(action)
    assert emulator.game_over
    assert emulator.digest() == found.demonstration.digest
    assert sum(found.visits.values()) == len(found.demonstration.actions) - 1
    assert found.demonstration.room_entries == {1: 0}
