from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fpc.domains.nethack.action_space import KEYS, action_of
from fpc.domains.nethack.environment import NetHackEnvironment
from fpc.domains.nethack.sokoban import is_first_level, sokoban_states
from fpc.domains.nethack.start_state_capture import capture, entry_states, replay
from fpc.domains.nethack.start_states import (
    StartState,
    by_probe,
    read_start_states,
    write_start_states,
)
from fpc.learners.interface import VISITED

from .random_games import random_actions, task

STATE = StartState("level_4", 3, (107, 46, 255), "ab" * 32)


@pytest.fixture(scope="module")
def environment() -> Iterator[NetHackEnvironment]:
    made = NetHackEnvironment(task())
    yield made
    made.close()


@pytest.fixture(scope="module")
def debug_environment() -> Iterator[NetHackEnvironment]:
    made = NetHackEnvironment(task(), wizard=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def sokoban() -> list[StartState]:
    return sokoban_states(task(), 0, 6)


def text_of(observation: dict[str, np.ndarray]) -> list[str]:
    return [row.tobytes().decode("latin-1") for row in observation["tty_chars"]]


def test_states_are_read_as_they_were_written(tmp_path: Path) -> None:
    states = [STATE, replace(STATE, probe="sokoban", wizard=True, keys=())]
    write_start_states(tmp_path / "start_states.json", states)
    assert read_start_states(tmp_path / "start_states.json") == states
    assert by_probe(states) == {"level_4": [states[0]], "sokoban": [states[1]]}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"seed": "3"}, r"start_states.json: states\[1\].seed must be int, not '3'; run collect again"),
        ({"seed": True}, r"states\[1\].seed must be int, not True"),
        ({"seed": -1}, r"states\[1\].seed must not be negative"),
        ({"keys": "6x"}, r"states\[1\].keys must be hexadecimal digits"),
        ({"speed": 1}, r"states\[1\] must have the fields probe, seed, wizard, digest, keys, not"),
    ],
)
def test_an_invalid_file_is_rejected_with_its_field(
    tmp_path: Path, change: dict[str, Any], text: str
) -> None:
    path = tmp_path / "start_states.json"
    write_start_states(path, [STATE, STATE])
    content = json.loads(path.read_text())
    content["states"][1] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=text):
        read_start_states(path)


def test_a_replay_reaches_the_same_screen_and_counts_from_there(
    environment: NetHackEnvironment,
) -> None:
    actions = random_actions(0, 50)
    start = capture(environment, "level_1", 4, tuple(KEYS[action] for action in actions))
    environment.reset(seed=4)
    for action in actions:
        expected = environment.step(action)[0]
    found = replay(environment, start)
    assert all(np.array_equal(expected[name], found[name]) for name in expected)
    assert environment.metrics.score == 0
    assert environment.metrics.turns == int(environment.blstats[20])
    environment.options = task(max_steps=2)  # the limit counts from the start state
    assert [environment.step(action_of(ord("s")))[3] for _ in range(2)] == [False, True]


def test_an_altered_state_is_refused(environment: NetHackEnvironment) -> None:
    start = capture(environment, "level_1", 4, (ord("s"),) * 5)
    with pytest.raises(
        ValueError, match=r"level_1, seed 4: after 5 keys the screen's digest is .* run collect"
    ):
        replay(environment, replace(start, digest="0" * 64))
    with pytest.raises(ValueError, match="level_1, seed 5: after 5 keys"):
        replay(environment, replace(start, seed=5))
    with pytest.raises(ValueError, match="needs wizard=True, but the environment has wizard=False"):
        replay(environment, replace(start, wizard=True))


@dataclass
class ShortGame:
    """An expert game of ten steps with made-up level entries."""

    level_entries: dict[int, int]
    seed: int = 6
    actions: np.ndarray = field(default_factory=lambda: np.array(random_actions(1, 10), dtype=np.uint8))


def test_level_entries_of_expert_games_become_start_states(environment: NetHackEnvironment) -> None:
    games = [ShortGame({}), ShortGame({1: 8}), ShortGame({1: 9}), ShortGame({1: 10})]
    states = entry_states(task(), games, 1, 2)
    assert [(state.probe, state.seed, len(state.keys)) for state in states] == [
        ("level_1", 6, 8),
        ("level_1", 6, 9),
    ]
    assert replay(environment, states[0])["previous_action"].tolist() == [random_actions(1, 10)[7]]
    with pytest.raises(ValueError, match="the expert's 8 actions lead to level 1"):
        entry_states(task(), [ShortGame({2: 8})], 2, 1)


def test_a_game_says_which_far_probe_it_is_at(sokoban: list[StartState]) -> None:
    """In debug mode ^V teleports to a level; the Far level is named on it and below it."""
    game = NetHackEnvironment(task(), wizard=True, far_level=3)
    assert game.reset(options={"start": sokoban[0]})[1] == {VISITED: "sokoban"}
    visited = []
    for keys in ((), (22, ord("2"), 13), (22, ord("3"), 13), (22, ord("4"), 13)):
        game.press_keys(7, keys)
        visited.append(game.step(action_of(ord("s")))[4].get(VISITED))
    assert visited == [None, None, "level_3", "level_3"]
    game.close()


def test_sokoban_states_are_at_the_entry_to_its_first_level(
    sokoban: list[StartState], debug_environment: NetHackEnvironment
) -> None:
    assert len({state.seed for state in sokoban}) == 6
    entries = set()
    for state in sokoban:
        observation = replay(debug_environment, state)
        screen = text_of(observation)
        assert is_first_level(debug_environment.blstats)
        assert debug_environment.metrics.score == 0
        assert screen[22].startswith("Agent the Candidate            St:")
        assert sum(row.count("^") for row in screen[1:22]) >= 9
        assert sum(row.count("`") for row in screen[1:22]) >= 9
        entries.add(int(observation["tty_cursor"][1]))
    assert entries == {35, 38}  # the columns of the stairs in the level's two variants


def test_debug_mode_gives_policies_no_privileges(
    sokoban: list[StartState], debug_environment: NetHackEnvironment
) -> None:
    replay(debug_environment, sokoban[0])
    observation, _, _, _, _ = debug_environment.step(action_of(20))  # ^T would ask where to
    assert "teleport" not in " ".join(text_of(observation))
    for action in (action_of(ord("s")), *random_actions(3, 30)):
        _, _, terminated, truncated, _ = debug_environment.step(action)
        assert not terminated
        assert not truncated


def test_death_in_debug_mode_is_final(debug_environment: NetHackEnvironment) -> None:
    debug_environment.press_keys(0, [22, *b"-10"])  # ^V: to heaven, where "Die?" is asked
    ends = [debug_environment.step(action_of(13))[2] for _ in range(2)]
    assert ends == [False, True]


def test_a_boulder_pushed_into_a_pit_is_counted(debug_environment: NetHackEnvironment) -> None:
    wish = 23  # ^W
    keys = [*b"lll", wish, *b"pit\r", *b"hh", wish, *b"boulder\r", *b"hl"]
    debug_environment.options = task()
    seed = 0
    for seed in range(40):  # until one has room to the right of the start
        debug_environment.press_keys(seed, keys)
        debug_environment.step(action_of(ord("l")))
        if debug_environment.metrics.pits_filled:
            break
    assert debug_environment.metrics.pits_filled == 1
    debug_environment.step(action_of(ord("s")))
    assert debug_environment.metrics.pits_filled == 1
