"""Phases of one seed share no environment, and first visits to rooms are logged while games go on."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd

from fpc.domains.finetuning import run_fields
from fpc.domains.montezuma.factories import specification_of
from fpc.domains.montezuma.finetuning import finetune
from fpc.retention.registry import load_method

from .known_states import start
from .phases import collected, experiment, run_of


def test_training_of_one_seed_shares_no_environment_between_phases(project: Path) -> None:
    chosen = experiment()
    options = chosen.finetune
    streams = []
    for phase in ("pretrain", "expert", "finetune"):
        run = run_of(project, "finetune" if phase == "finetune" else "pretrain", phase)
        fields = run_fields(run, phase=phase)
        job = specification_of(chosen, options.appo, options.rnd, steps=64, **fields).job()
        # One more than are trained on: the warm-up of the frames' normaliser has its own.
        streams += [job.make_environment(index).stream for index in range(5)]  # type: ignore[attr-defined]
        first, again = (job.make_environment(3) for _ in range(2))
        assert first.stream == again.stream  # type: ignore[attr-defined]
    assert len(set(streams)) == 15


def test_sticky_actions_differ_between_pretraining_and_fine_tuning(project: Path) -> None:
    chosen = experiment()
    executed = []
    for phase in ("pretrain", "finetune"):
        fields = run_fields(run_of(project, phase))
        job = specification_of(chosen, chosen.finetune.appo, chosen.finetune.rnd, steps=64, **fields).job()
        environment = job.make_environment(0)
        environment.reset()
        executed.append([environment.step(number % 17 + 1)[4]["action"] for number in range(60)])
    assert executed[0] != executed[1]


def test_first_visits_are_logged_before_games_end(project: Path) -> None:
    chosen = experiment(
        environment={"room": 7, "start_room": 2, "max_steps": 4000},
        finetune={"steps": 128, "evaluate_every": 128},
    )
    made = collected(chosen, project)
    run = run_of(project, "finetune", "scratch", **made)
    finetune(chosen, "scratch", load_method("scratch").Options(), run)
    training = pd.read_parquet(run.output / "training.parquet")
    assert "length" not in set(training["metric"])  # no game has ended
    visits = training[training["metric"].str.startswith("first_visit_")]
    (first,) = visits[visits["metric"] == f"first_visit_room_{start(2).room}"].itertuples()
    assert first.step == first.value <= 64  # within the first batch
    (never,) = visits[visits["metric"] == "first_visit_room_7"].itertuples()
    assert never.step == 128
    assert math.isnan(never.value)
    assert visits["metric"].is_unique
