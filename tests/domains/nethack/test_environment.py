from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from nle import nethack
from nle.env.base import NLE

from fpc.domains.nethack.action_space import ACTION_COUNT, KEYS, action_of, actions_of
from fpc.domains.nethack.environment import BEGINNING, NetHackEnvironment, begin_game, make_game
from fpc.domains.nethack.metrics import METRICS, GameMetrics

from .random_games import play_actions, random_actions, task

ESCAPE, SEARCH = action_of(27), action_of(ord("s"))


@pytest.fixture(scope="module")
def environment() -> Iterator[NetHackEnvironment]:
    made = NetHackEnvironment(task())
    yield made
    made.close()


def with_limits(environment: NetHackEnvironment, **changes: Any) -> NetHackEnvironment:
    environment.options = task(**changes)
    return environment


def of_stream(*stream: int) -> NetHackEnvironment:
    return NetHackEnvironment(task(), stream=stream)


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray]) -> bool:
    return all(np.array_equal(first[name], second[name]) for name in first)


def test_equal_seeds_and_actions_give_equal_games_and_other_seeds_others(
    environment: NetHackEnvironment,
) -> None:
    games = []
    for seed in (7, 7, 8):
        first, _ = with_limits(environment).reset(seed=seed)
        total = play_actions(environment, random_actions(0, 60))
        last = environment.step(SEARCH)[0]
        games.append((first, last, total, environment.metrics.as_dict()))
    assert same(games[0][0], games[1][0])
    assert same(games[0][1], games[1][1])
    assert games[0][2:] == games[1][2:]
    assert not same(games[0][0], games[2][0])


def beginning_of(game: NLE) -> int:
    library = ctypes.CDLL(game.nethack.dlpath)
    moment = ctypes.c_long.in_dll(library, BEGINNING).value
    ctypes.CDLL(None).dlclose(ctypes.c_void_p(library._handle))
    return moment


def test_a_game_does_not_depend_on_when_it_is_played() -> None:
    first, second = make_game(task()), make_game(task())
    begin_game(first, 3)
    found = [beginning_of(first)]
    first.seed(core=3, disp=3, reseed=False)
    first.reset()
    assert abs(beginning_of(first) - time.time()) < 60  # what NLE does: the next game is another one
    for game, seed in ((first, 3), (second, 3), (second, 4)):
        begin_game(game, seed)
        found.append(beginning_of(game))
    assert beginning_of(first) == found[0]  # each game has its own
    assert found[0] == found[1] == found[2] != found[3]
    assert all(abs(moment - time.time()) > 3600 for moment in found)
    first.close()
    second.close()


def test_observations_are_the_screen_of_the_game_and_the_previous_action(
    environment: NetHackEnvironment,
) -> None:
    observation, _ = with_limits(environment).reset(seed=3)
    game = make_game(task())
    bare = begin_game(game, 3)
    assert observation["previous_action"].tolist() == [0]
    for action in [*random_actions(1, 40), SEARCH, ESCAPE]:
        observation = environment.step(action)[0]
        bare = game.step(action)[0]
        assert observation["previous_action"].tolist() == [action]
        for name in ("tty_chars", "tty_colors", "tty_cursor"):
            assert observation[name].dtype == np.uint8
            assert np.array_equal(observation[name], bare[name].view(np.uint8))
    assert environment.observation_space.contains(observation)
    assert set(observation) == {"tty_chars", "tty_colors", "tty_cursor", "previous_action"}
    game.close()


def test_observations_are_not_overwritten_by_the_next_step(environment: NetHackEnvironment) -> None:
    before, _ = with_limits(environment).reset(seed=3)
    kept = {name: value.copy() for name, value in before.items()}
    play_actions(environment, random_actions(1, 30))
    assert same(before, kept)


def test_episodes_of_a_stream_do_not_depend_on_how_earlier_ones_were_played() -> None:
    first, second = of_stream(5, 1), of_stream(5, 1)
    assert same(first.reset()[0], second.reset()[0])
    play_actions(first, random_actions(0, 30))
    assert same(first.reset()[0], second.reset()[0])
    other = of_stream(5, 2)
    assert not same(first.reset()[0], other.reset()[0])
    for made in (first, second, other):
        made.close()


def test_a_game_is_truncated_when_the_turn_counter_stands_still(environment: NetHackEnvironment) -> None:
    with_limits(environment, no_progress_limit=5).reset(seed=1)
    for _ in range(4):
        assert environment.step(ESCAPE)[2:4] == (False, False)
    assert environment.step(SEARCH)[2:4] == (False, False)  # a turn passes, so the count restarts
    ends = [environment.step(ESCAPE)[2:4] for _ in range(5)]
    assert ends == [(False, False)] * 4 + [(False, True)]


def test_a_game_is_truncated_at_the_step_limit(environment: NetHackEnvironment) -> None:
    with_limits(environment, max_steps=3).reset(seed=1)
    results = [environment.step(SEARCH) for _ in range(3)]
    assert [result[3] for result in results] == [False, False, True]
    assert "metrics" not in results[1][4]
    assert set(results[2][4]["metrics"]) == set(METRICS)
    assert results[2][4]["metrics"]["turns"] == 4  # games begin in turn 1


def test_after_death_the_metrics_are_those_of_the_last_turn(environment: NetHackEnvironment) -> None:
    total, terminated, info = 0.0, False, {}
    for seed in range(20):
        total = 0.0
        with_limits(environment, no_progress_limit=10_000).reset(seed=seed)
        for action in [move for pair in random_actions(seed, 3000) for move in (ESCAPE, pair)]:
            _, reward, terminated, truncated, info = environment.step(action)
            total += reward
            if terminated or truncated:
                break
        if terminated:
            break
    assert terminated
    assert info["metrics"]["turns"] > 10  # although NLE's status line is zero by then
    assert info["metrics"]["score"] == total
    assert info["metrics"]["depth"] >= 1


def test_a_restored_game_continues_like_the_uninterrupted_one() -> None:
    uninterrupted, restored = of_stream(2, 0), of_stream(9, 9)
    for _ in range(3):
        uninterrupted.reset()
    before = [uninterrupted.step(action)[0] for action in random_actions(4, 80)]
    snapshot = uninterrupted.snapshot()
    assert snapshot["actions"].dtype == np.uint8
    assert len(snapshot["actions"]) == 80
    assert same(restored.restore(snapshot), before[-1])
    for action in random_actions(5, 80):
        expected, found = uninterrupted.step(action), restored.step(action)
        assert same(expected[0], found[0])
        assert expected[1:4] == found[1:4]
    assert uninterrupted.metrics.as_dict() == restored.metrics.as_dict()
    assert same(uninterrupted.reset()[0], restored.reset()[0])  # the stream continues too
    uninterrupted.close(), restored.close()


def test_a_restored_game_keeps_its_count_of_steps_without_progress() -> None:
    environment = NetHackEnvironment(task(no_progress_limit=5), stream=(2, 0))
    environment.reset()
    for _ in range(3):
        environment.step(ESCAPE)
    environment.restore(environment.snapshot())
    assert [environment.step(ESCAPE)[3] for _ in range(2)] == [False, True]
    environment.close()


def test_a_snapshot_of_another_game_is_refused(environment: NetHackEnvironment) -> None:
    with_limits(environment).reset(seed=1)
    play_actions(environment, [SEARCH] * 3)
    altered = environment.snapshot() | {"seed": 2}
    with pytest.raises(ValueError, match="game of seed 2 took a different course after 3 actions"):
        environment.restore(altered)


def status(**values: int) -> np.ndarray:
    """A status line; keyword names as in NLE."""
    line = np.zeros(27, dtype=np.int64)
    line[[nethack.NLE_BL_DEPTH, nethack.NLE_BL_DLEVEL, nethack.NLE_BL_XP, nethack.NLE_BL_TIME]] = 1
    for name, value in values.items():
        line[getattr(nethack, f"NLE_BL_{name}")] = value
    return line


def internal(nutrition: int, on_stairs: int = 0) -> np.ndarray:
    values = np.zeros(9, dtype=np.int32)
    values[7], values[4] = nutrition, on_stairs
    return values


def glyphs(seen: int) -> np.ndarray:
    values = np.full((21, 79), nethack.GLYPH_CMAP_OFF, dtype=np.int16)
    values.flat[:seen] = nethack.GLYPH_CMAP_OFF + 19
    return values


def message(text: bytes = b"") -> np.ndarray:
    return np.frombuffer(text.ljust(256, b"\0"), dtype=np.uint8)


def test_metrics_of_a_game_counted_by_hand() -> None:
    metrics = GameMetrics(status(GOLD=10, SCORE=5), internal(900), glyphs(40))
    second = status(GOLD=25, SCORE=30, TIME=2)
    assert metrics.update(second, internal(899, on_stairs=1), glyphs(50), message()) == 25
    third = status(GOLD=5, SCORE=22, TIME=3, DLEVEL=2, DEPTH=2, XP=3)
    assert metrics.update(third, internal(1100), glyphs(12), message()) == -8
    fourth = status(GOLD=5, SCORE=22, TIME=9, XP=2)  # upstairs again, after losing an experience level
    metrics.update(fourth, internal(1090, on_stairs=1), glyphs(55), message())
    assert metrics.as_dict() == {
        "score": 17.0,
        "experience_level": 3.0,
        "eating": 201.0,
        "turns": 9.0,
        "staircase": 2.0,
        "scout": 55.0 + 12.0,
        "depth": 2.0,
        "gold": 15.0 + 20.0,
    }


def test_each_filled_pit_counts_once() -> None:
    metrics = GameMetrics(status(), internal(900), glyphs(1))
    filled = message(b"With great effort you move the boulder.  The boulder fills a pit.")
    for turn, text in ((2, filled), (2, filled), (3, message()), (4, filled), (5, filled)):
        metrics.update(status(TIME=turn), internal(900), glyphs(1), text)
    assert metrics.pits_filled == 3


def test_keys_and_actions() -> None:
    assert ACTION_COUNT == 121
    actions = actions_of(np.array(KEYS, dtype=np.uint8))
    assert [KEYS[action] for action in actions] == list(KEYS)
    assert action_of(ord("+")) == KEYS.index(ord("+"))  # two actions press it; the first is used
    message = r"game 3: mismatched action space: none of the 121 actions .* presses key 6, 22;"
    with pytest.raises(ValueError, match=message):
        actions_of(np.array([ord("k"), 22, 6]), "game 3")
