"""Games of fine-tuning that begin at the entry of a later room."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from pydantic import ValidationError

from fpc.domains.montezuma.config import CollectOptions
from fpc.domains.montezuma.emulator import Emulator
from fpc.domains.montezuma.evaluation import evaluate
from fpc.domains.montezuma.factories import environment_of, game_starts_in, measured_starts
from fpc.domains.montezuma.finetuning import finetune
from fpc.domains.montezuma.start_states import (
    StartState,
    read_start_states,
    rooms_on_the_way,
    write_start_states,
)
from fpc.retention.registry import load_method
from fpc.workflow.loader import load
from fpc.workflow.run_table import parents, rows

from .known_states import STATES, options, start
from .phases import collected, experiment, run_of

FAR_7_FROM_2 = {"room": 7, "start_room": 2}


def test_games_begin_at_entries_only() -> None:
    chosen = options(room=7, start_room=2)
    assert game_starts_in(STATES, chosen) == [start(2)]  # once, though four trajectories lead to Far
    rooms = rooms_on_the_way(Emulator(), start(2))
    assert rooms == [1] * (len(rooms) - 1) + [2]


def test_games_may_begin_later_in_the_stay() -> None:
    entry, later = game_starts_in(STATES, options(room=7, start_room=2), (0.0, 0.5))
    assert entry == start(2)
    # Room 2 is entered by action 341 and left by action 390, on the way to Room 7.
    assert later.actions == start(7).actions[: 341 + 24]
    assert rooms_on_the_way(Emulator(), later)[-1] == 2


@pytest.mark.parametrize("points", [[], [1.0], [-0.1]])
def test_points_are_fractions_of_the_stay(points: list[float]) -> None:
    with pytest.raises(ValidationError, match="start_fractions"):
        CollectOptions(trajectories=1, states=1, max_steps=1, start_fractions=points)  # type: ignore[arg-type]


def test_a_trajectory_that_has_been_in_far_is_no_start() -> None:
    with pytest.raises(ValueError, match="no trajectory enters room 7 and then room 2 for the first time"):
        game_starts_in(STATES, options(room=2, start_room=7))


def test_an_entry_that_does_not_replay_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "start_states.json"
    altered = [StartState(7, 0, start(7).actions, "0" * 64)]
    write_start_states(path, altered)
    with pytest.raises(ValueError, match="digest"):
        game_starts_in(path, options(room=7, start_room=2))


def test_attempts_may_be_measured_from_entries_alone(tmp_path: Path) -> None:
    assert len(measured_starts(STATES, options(room=7))) == 4
    assert measured_starts(STATES, options(room=7, measure_from="entries")) == [start(7)]
    path = tmp_path / "start_states.json"
    write_start_states(path, [start(7, 1)])
    with pytest.raises(
        ValueError, match=r"no start state in room 7 is its entry; set environment\.measure_from"
    ):
        measured_starts(path, options(room=7, measure_from="entries"))


def test_far_cannot_be_the_start() -> None:
    with pytest.raises(ValidationError, match="start_room is 7, the room where Far begins"):
        options(room=7, start_room=7)


def test_an_environment_begins_there_and_plays_on() -> None:
    chosen = options(**FAR_7_FROM_2, sticky=0.0)
    environment = environment_of(chosen.model_dump(mode="json"), "game", str(STATES), 2, stream=(0, 0))
    _, info = environment.reset()
    assert info["room"] == 2
    assert info["visited"] == "room_2"
    assert environment.emulator.digest() in {state.digest for state in read_start_states(STATES)}


def test_fine_tuned_games_and_the_probe_begin_there(project: Path) -> None:
    chosen = experiment(
        environment=FAR_7_FROM_2 | {"max_steps": 20},
        finetune={"steps": 128, "evaluate_every": 128, "early_milestones": [64]},
    )
    made = collected(chosen, project)
    assert read_start_states(made["collect"] / "game_starts.json") == [start(2)]
    run = run_of(project, "finetune", "scratch", **made)
    finetune(chosen, "scratch", load_method("scratch").Options(), run)
    training = pd.read_parquet(run.output / "training.parquet")
    assert len(training[training["metric"] == "room_2"]) > 1  # untrained, no game gets there from Room 1
    judged = run_of(project, "evaluate", "scratch", finetune=run.output, **made)
    evaluate(chosen, judged)
    episodes = pd.read_parquet(judged.output / "episodes.parquet")
    assert set(episodes["step"]) == {0, 64, 128}
    assert set(episodes["probe"]) == {"room_7", "start", "random"}


def test_scratch_then_needs_the_start_states_too(project: Path) -> None:
    experiment()  # copies the scale's file
    variant = "experiments: {montezuma: {environment: {room: 7, start_room: 2}}}"
    Path("configs/variants/later.yaml").write_text(variant, encoding="utf-8")

    def parents_of_scratch(variant: str | None) -> list[str]:
        configuration = load("temple", variant)
        (row,) = (row for row in rows(configuration) if (row.phase, row.method) == ("finetune", "scratch"))
        return [parent.phase for parent in parents(configuration, row)]

    assert parents_of_scratch(None) == []
    assert parents_of_scratch("later") == ["pretrain", "collect"]
