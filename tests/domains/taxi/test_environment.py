"""The rules of the taxi against values computed by hand from Gymnasium's map.

R at (0, 0), G at (0, 4), Y at (4, 0), B at (4, 3); walls stand east of (0, 1), (1, 1), (3, 0), (4, 0), (3, 2)
and (4, 2).
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest
from tests.workflow.chain import ROOT

from fpc import extensions
from fpc.learners.interface import VISITED

DOWN, UP, RIGHT, LEFT, PICK_UP, DROP_OFF = range(6)
# From G to R: around the wall by row 2.
TO_R = [DOWN, DOWN, LEFT, LEFT, LEFT, LEFT, UP, UP]
TO_G = [DOWN, DOWN, RIGHT, RIGHT, RIGHT, RIGHT, UP, UP]


@pytest.fixture
def taxi(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The environment's module."""
    monkeypatch.chdir(ROOT)
    extensions.use(["examples/domains/taxi"])
    return import_module("fpc.domains.taxi.environment")


def game_in(taxi: Any, state: int, **options: Any) -> Any:
    """A game that has just begun in this state."""
    environment = taxi.TaxiEnvironment(**{"max_steps": 40, "task": "game", "stream": (0,), **options})
    environment.reset()
    environment.state = state
    return environment


def test_a_game_from_g_with_the_passenger_at_r(taxi: Any) -> None:
    # ((row * 5 + column) * 5 + passenger) * 4 + destination = ((0 * 5 + 4) * 5 + 0) * 4 + 1
    assert 81 in taxi.starts_of("game")
    game = game_in(taxi, 81, wrong_drop_off=0.1)
    rewards, visited, ends = [], [], []
    for action in [DROP_OFF, *TO_R, PICK_UP, *TO_G, DROP_OFF]:
        _, reward, delivered, truncated, info = game.step(action)
        rewards.append(reward)
        visited.append(info.get(VISITED))
        ends.append(delivered or truncated)
    assert rewards == [-0.1, *[0.0] * 8, 0.0, *[0.0] * 8, 1.0]
    assert visited == [*[None] * 9, *["drop_off"] * 9, None]
    assert ends == [*[False] * 18, True]
    assert info["metrics"] == {"success": 1.0}


def test_walls_stop_the_taxi(taxi: Any) -> None:
    game = game_in(taxi, 81)  # at (0, 4)
    for action in (LEFT, LEFT, LEFT):  # to (0, 3), to (0, 2), then the wall east of (0, 1)
        observation = game.step(action)[0]
    row, column, passenger, destination = np.split(observation, [5, 10, 15])
    assert (row.argmax(), column.argmax(), passenger.argmax(), destination.argmax()) == (0, 2, 0, 1)
    assert observation.sum() == 4


def test_where_games_begin(taxi: Any) -> None:
    rules = taxi.rules()
    whole = [tuple(rules.decode(state)) for state in taxi.starts_of("game")]
    assert len(set(whole)) == 12
    assert all(rules.locs[there] == (row, column) for row, column, _, there in whole)
    rides = [tuple(rules.decode(state)) for state in taxi.starts_of("ride")]
    assert len(set(rides)) == 5 * 5 * 4 - 4
    assert {passenger for _, _, passenger, _ in rides} == {4}
    after = {taxi.moved(rules.encode(*rules.locs[o], o, d), PICK_UP)[0] for _, _, o, d in whole}
    assert after == set(taxi.picked_up())


def test_a_passenger_may_be_set_down_elsewhere_but_that_is_no_delivery(taxi: Any) -> None:
    # In the taxi at R, going to G.
    state = ((0 * 5 + 0) * 5 + 4) * 4 + 1
    game = game_in(taxi, state, wrong_drop_off=0.1)
    _, reward, delivered, _, info = game.step(DROP_OFF)
    assert (reward, delivered, VISITED in info) == (0.0, False, False)
    assert game.step(DROP_OFF)[1] == -0.1


def test_games_end_and_go_on_after_a_restart(taxi: Any) -> None:
    game = taxi.TaxiEnvironment(3, "ride", (7,))
    game.reset()
    game.step(DOWN)
    held = game.snapshot()
    rest = [game.step(action)[0] for action in (UP, LEFT)]
    assert game.step(UP)[3]
    begun = game.reset()[0]
    other = taxi.TaxiEnvironment(3, "ride", (7,))
    other.restore(held)
    again = [other.step(action)[0] for action in (UP, LEFT)]
    np.testing.assert_array_equal(again, rest)
    np.testing.assert_array_equal(other.reset()[0], begun)
