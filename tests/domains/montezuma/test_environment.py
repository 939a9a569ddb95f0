from __future__ import annotations

import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.environment import MontezumaEnvironment, RoomAttempt
from fpc.domains.montezuma.rooms import grid_position, ram_number, room_number

from .known_states import options, start, starts


def actions(count: int, seed: int = 0) -> list[int]:
    return np.random.default_rng(seed).integers(18, size=count).tolist()


def test_is_a_gymnasium_environment() -> None:
    check_env(MontezumaEnvironment(options()), skip_render_check=True)


def test_an_observation_is_the_last_four_frames_newest_last() -> None:
    environment = MontezumaEnvironment(options(screen_size=84))
    first, info = environment.reset()
    assert first.shape == (4, 84, 84)
    assert first.dtype == np.uint8
    assert all((first[index] == first[3]).all() for index in range(3))
    assert (info["room"], info["ram_room"], info["lives"], info["inventory"]) == (1, 1, 6, 0)
    before = first
    for action in actions(6):
        after = environment.step(action)[0]
        assert (after[:3] == before[1:]).all()
        before = after


def test_a_frame_is_the_maximum_of_the_last_two_emulator_frames() -> None:
    emulator, slow = Emulator(4), Emulator(1)
    emulator.reset()
    slow.reset()
    for action in actions(20, 3):
        emulator.step(action, draw=True)
        frames = []
        for _ in range(4):
            slow.step(action)
            frames.append(slow.draw())
        assert (emulator.frame() == np.maximum(frames[2], frames[3])).all()


@pytest.mark.parametrize("sticky", [0.0, 0.25, 1.0])
def test_actions_stick_as_often_as_configured(sticky: float) -> None:
    environment = MontezumaEnvironment(options(sticky=sticky, max_steps=2000))
    environment.reset()
    stuck = 0
    for number in range(1, 1001):
        wanted = number % 17 + 1  # never the previous action
        stuck += environment.step(wanted)[4]["action"] != wanted
    assert stuck / 1000 == pytest.approx(sticky, abs=0.05)


def test_an_episode_follows_from_its_stream_alone() -> None:
    def played(environment: MontezumaEnvironment) -> list[int]:
        environment.reset(seed=5)
        return [environment.step(action)[4]["action"] for action in actions(60)]

    used = MontezumaEnvironment(options(), (1,))
    used.reset()
    used.step(3)
    assert played(used) == played(MontezumaEnvironment(options(), (2,)))


def test_a_start_state_begins_in_its_room_with_its_attempt() -> None:
    environment = MontezumaEnvironment(options(), task="room")
    _, info = environment.reset(options={"start": start(7)})
    assert info["room"] == 7
    assert environment.attempt is not None
    assert (environment.attempt.room, environment.attempt.came_from) == (7, 4)
    later = MontezumaEnvironment(options(), task="room")
    later.reset(options={"start": start(7, 3)})
    assert later.attempt is not None
    assert later.attempt.came_from == 4


def test_a_start_looks_the_same_whatever_was_played_before() -> None:
    environment = MontezumaEnvironment(options(), task="room")
    first = environment.reset(options={"start": start(7)})[0]
    environment.reset(options={"start": start(2)})
    for action in actions(20):
        environment.step(action)
    assert (environment.reset(options={"start": start(7)})[0] == first).all()


def test_the_trajectory_that_found_it_succeeds_and_earns_one() -> None:
    entry, last = start(7), start(7, 3)
    environment = MontezumaEnvironment(options(sticky=0.0), task="room")
    environment.reset(options={"start": entry})
    outcome = []
    for action in last.actions[len(entry.actions) :]:
        _, reward, terminated, truncated, _ = environment.step(action)
        outcome.append((reward, terminated, truncated))
    assert set(outcome) == {(0.0, False, False)}  # three quarters of the trajectory
    assert environment.emulator.digest() == last.digest


def test_an_attempt_ends_at_its_limit_and_says_so() -> None:
    environment = MontezumaEnvironment(options(room_max_steps=3, sticky=0.0), task="room")
    environment.reset(options={"start": start(7, 2)})
    ends = [environment.step(0)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]


@pytest.mark.parametrize(
    ("after", "outcome", "of_points"),
    [
        ({"reward": 100.0}, "success", "success"),
        ({"inventory": 3}, "success", "going"),
        ({"inventory": 0}, "going", "going"),  # an item used up
        ({"room": 8}, "success", "failure"),
        ({"room": 4}, "failure", "failure"),  # back through the entrance
        ({"lives": 4}, "failure", "failure"),
        ({"lives": 4, "room": 8}, "failure", "failure"),
        ({"lives": 4, "reward": 100.0}, "success", "success"),
        ({}, "going", "going"),
    ],
)
def test_success_in_a_room(after: dict[str, float], outcome: str, of_points: str) -> None:
    seen = {"room": 7, "reward": 0.0, "inventory": 2, "lives": 5} | after
    for goal, expected in (("any", outcome), ("points", of_points)):
        attempt = RoomAttempt(7, 4, 2, 5, goal)  # type: ignore[arg-type]
        assert attempt.see(**seen) == expected  # type: ignore[arg-type]
        if expected != "going":
            assert attempt.see(8, 100.0, 7, 5) == expected


def test_the_goal_is_the_options() -> None:
    """The way through Room 7 earns no points: another exit succeeds with the goal `any` alone."""
    environment = MontezumaEnvironment(options(goal="points"), starts=starts(), task="room")
    environment.reset(options={"start": start(7)})
    assert environment.attempt is not None
    assert environment.attempt.goal == "points"
    again = MontezumaEnvironment(options(goal="points"), starts=starts(), task="room")
    again.restore(environment.snapshot())
    assert again.attempt is not None
    assert again.attempt.goal == "points"


def test_snapshots_continue_exactly() -> None:
    environment = MontezumaEnvironment(options(), (4,), starts(), "room")
    environment.reset()
    for action in actions(5):
        environment.step(action)
    kept = environment.snapshot()
    kept = {**kept, "stack": kept["stack"].copy()}

    def rest(one: MontezumaEnvironment) -> list[tuple[bytes, float, bool, bool]]:
        found = []
        for action in actions(40, 1):
            observation, reward, terminated, truncated, _ = one.step(action)
            found.append((observation.tobytes(), reward, terminated, truncated))
            if terminated or truncated:
                one.reset()
        return found

    other = MontezumaEnvironment(options(), (4,), starts(), "room")
    expected = rest(environment)
    assert (other.restore(kept) == kept["stack"]).all()
    assert rest(other) == expected


def test_rooms_are_numbered_once_and_lie_in_a_pyramid() -> None:
    assert sorted(room_number(ram) for ram in range(24)) == list(range(1, 25))
    assert [ram_number(room_number(ram)) for ram in range(24)] == list(range(24))
    assert len({grid_position(room) for room in range(1, 25)}) == 24
    assert (room_number(1), grid_position(1)) == (1, (0, 4))
    with pytest.raises(ValueError, match="the game has no room 24"):
        room_number(24)
    with pytest.raises(ValueError, match="there is no room 25"):
        ram_number(25)


def test_frames_are_interpolated_linearly_as_in_the_base_code() -> None:
    """Pixel i of 84 has its centre at (i + .5) * 210 / 84 - .5 of 210 rows: between two of them."""
    environment = MontezumaEnvironment(options(screen_size=84))
    frame = np.random.default_rng(0).integers(0, 256, (210, 160), dtype=np.uint8)
    rows, columns = ((np.arange(84) + 0.5) * length / 84 - 0.5 for length in (210, 160))
    expected = np.empty((84, 84))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            top, left = int(row), int(column)
            down, right = row - top, column - left
            part = frame[top : top + 2, left : left + 2].astype(float)
            expected[i, j] = (1 - down) * ((1 - right) * part[0, 0] + right * part[0, 1]) + down * (
                (1 - right) * part[1, 0] + right * part[1, 1]
            )
    assert np.abs(environment._shrunk(frame) - expected).max() <= 1.0
