"""The whole chain of Montezuma's Revenge with real games and Sample Factory, at the scale ``temple``."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pandas as pd
import pytest
from tests.workflow.chain import run_chain

from fpc.core.files import read_tensors
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.environment import RoomAttempt
from fpc.domains.montezuma.expert_frames import read_expert
from fpc.domains.montezuma.passages import replay_game
from fpc.domains.montezuma.rooms import room_number
from fpc.domains.montezuma.start_states import (
    StartState,
    by_room,
    read_demonstrations,
    read_start_states,
    replay,
)

METHODS = ("scratch", "vanilla", "behavioral_cloning", "kickstarting", "ewc")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``results/temple`` of a project in which the chain has run."""
    return run_chain(tmp_path_factory.mktemp("project"), "temple")


def test_every_method_has_milestones_and_all_probes(made: Path) -> None:
    for method in METHODS:
        run = made / "montezuma" / "finetune" / method / "seed_0"
        first, last = (read_tensors(run / "milestones" / f"step_{step}.safetensors") for step in (0, 512))
        assert any((first[name] != last[name]).any() for name in first)
        episodes = pd.read_parquet(made / "montezuma" / "evaluate" / method / "seed_0" / "episodes.parquet")
        counts = episodes.groupby(["step", "probe", "measure"]).size().to_dict()
        far = {(step, "room_2", measure): 4 for step in (0, 256, 512) for measure in ("success", "return")}
        # Step 0 is pi*'s own measurement, of more games, where a method starts from it.
        games = {0: 1 if method == "scratch" else 4, 256: 1, 512: 1}
        close = {
            (step, "start", measure): count
            for step, count in games.items()
            for measure in ("return", "rooms")
        }
        assert counts == far | close | {(0, "random", "success"): 4, (0, "random", "return"): 4}


def test_methods_that_start_from_pi_star_start_from_the_same(made: Path) -> None:
    pi_star = read_tensors(made / "montezuma" / "pretrain" / "seed_0" / "policy.safetensors")
    for method in METHODS:
        first = read_tensors(made / f"montezuma/finetune/{method}/seed_0/milestones/step_0.safetensors")
        equal = all((first[name] == value).all() for name, value in pi_star.items())
        assert equal == (method != "scratch")


def test_the_expert_leaves_states_that_can_be_played_again(made: Path) -> None:
    folder = made / "montezuma" / "pretrain" / "seed_0"
    states = by_room(read_start_states(folder / "start_states.json"))
    assert 1 <= len(states[2]) <= 4
    for state in states[2]:
        replay(Emulator(), state)
    demonstrations = read_demonstrations(folder / "demonstrations.json")
    entered = {room for item in demonstrations for room in item.room_entries}
    assert set(states) <= entered  # every room that was entered has its demonstration
    assert replay_game(Emulator(), 0, demonstrations[0].actions).demonstration == demonstrations[0]
    visits = pd.read_parquet(folder / "first_visits.parquet")
    assert set(visits["room"]) == entered
    exploration = pd.read_parquet(folder / "exploration.parquet")
    assert exploration["rooms"].max() > 1
    assert (folder / "rooms.png").stat().st_size > 1000


def test_expert_data_are_pi_stars_outputs(made: Path) -> None:
    data = read_expert(made / "montezuma" / "collect" / "seed_0" / "expert.safetensors")
    assert data["observations"].shape == (100, 4 * 42 * 42)
    assert data["outputs"].shape == (100, 18)


def test_figures_and_report(made: Path) -> None:
    for name in ("figure_3b", "figure_6", "figure_12", "figure_18", "film_6"):
        for ending in ("svg", "png", "csv"):
            assert (made / "figures" / f"{name}.{ending}").stat().st_size > 100
    film = (made / "figures" / "film_6.gif").read_bytes()
    assert b64encode(film).decode() in (made / "report.html").read_text()


def test_attempts_can_be_played_again(made: Path) -> None:
    attempts = pd.read_parquet(made / "montezuma/evaluate/vanilla/seed_0/attempts.parquet")
    assert attempts.groupby(["step", "probe"]).size().to_dict() == {
        (0, "random"): 4,
        **{(step, "room_2"): 4 for step in (0, 256, 512)},
    }
    emulator = Emulator()
    for row in attempts.itertuples():
        start = StartState(2, 0, tuple(row.start), row.digest)
        attempt = RoomAttempt(2, replay(emulator, start), emulator.inventory, emulator.lives)
        for action in row.actions:
            reward = emulator.step(action)
            attempt.see(room_number(emulator.ram_room), reward, emulator.inventory, emulator.lives)
        assert (attempt.outcome == "success") == row.success
