"""SAC goes on from pi* in its stages alone, before pi* is published."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from fpc.core.files import read_json, read_tensors
from fpc.domains.robotic_sequence.acceptance import Examiner
from fpc.domains.robotic_sequence.config import PretrainOptions, RoboticSequenceExperiment
from fpc.domains.robotic_sequence.continuation import lowest
from fpc.domains.robotic_sequence.domain import DOMAIN
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.learners.sac.update import Updater
from fpc.workflow.run import Run

from .conftest import SAC, make_run

GATED = {"recipe": "sac", "clone": None, "steps": 300, "stop_success": 0.0, "continued_updates": 10}
NAMES = ("1_drawer-close", "2_push-wall")


def options_of(**changes: Any) -> PretrainOptions:
    values = {"recipe": "sac", "sac": SAC, "steps": 300, "stop_success": 1.0, "probe_every": 30}
    return PretrainOptions.model_validate(values | {"probe_episodes": 2} | changes)


def gated(experiment: RoboticSequenceExperiment, **changes: Any) -> RoboticSequenceExperiment:
    options = experiment.pretrain.model_copy(update=GATED | {"least_continued_success": 0.0} | changes)
    return experiment.model_copy(update={"pretrain": options})


def results(run: Run) -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    return pd.read_parquet(run.output / "training.parquet"), read_tensors(run.output / "policy.safetensors")


def test_checks_by_hand() -> None:
    # Rounds of two updates are due at steps 20, 30, ...: ten updates are five rounds, the last at step 60.
    assert options_of(continued_updates=10).continued_checks == (20, 30, 40, 50, 60)
    assert options_of(continued_updates=3).continued_checks == (20, 30)  # two rounds
    assert options_of(continued_updates=0).continued_checks == ()
    paper = {"sac": {}, "continued_updates": 10_000}  # 50 updates at steps 1000, 1050, ..., 10950
    assert options_of(**paper).continued_checks == (2950, 4950, 6950, 8950, 10950)


def test_the_last_check_counts_as_much_as_the_average() -> None:
    found = lowest([{"a": 1.0, "b": 0.4}, {"a": 1.0, "b": 0.6}, {"a": 0.4, "b": 1.0}])
    assert found == {"a": 0.4, "b": pytest.approx(2 / 3)}


def test_it_makes_as_many_updates_as_asked_in_the_known_stages_from_pi_star(
    tmp_path: Path, tiny_experiment: RoboticSequenceExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    updates: list[int] = []
    stages: list[tuple[int, ...]] = []
    update, reset = Updater.update, RoboticSequence.reset

    def counted(self: Updater, batch: Any) -> None:
        update(self, batch)
        updates.append(self.updates)

    def watched(self: RoboticSequence, *, seed: int | None = None, options: Any = None) -> Any:
        stages.append(tuple(options["stages"]))
        return reset(self, seed=seed, options=options)

    monkeypatch.setattr(Updater, "update", counted)
    monkeypatch.setattr(RoboticSequence, "reset", watched)
    run = make_run(tmp_path, "pretrain")
    DOMAIN.pretrain(gated(tiny_experiment), run)
    start = updates.index(1, 1)  # SAC's own first update comes first, then a new count
    assert updates[start : start + 10] == list(range(1, 11))
    assert updates.count(1) == 2
    assert set(stages) <= {(0,), (1,), (2,)}
    assert stages.count((0,)) == 1, "the Close stage is played in the final probe only"
    table, _ = results(run)
    last = table.set_index("metric")["value"]
    checks = read_json(run.state / "continued_30" / "checks.json")
    assert list(checks) == ["20", "30", "40", "50", "60"]
    for name in NAMES:
        assert last[f"continued_success_{name}"] == lowest(list(checks.values()))[name]
        assert f"sampled_success_{name}" in last.index


def test_training_goes_on_until_sac_keeps_pi_star(
    tmp_path: Path, tiny_experiment: RoboticSequenceExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept_from = 60
    monkeypatch.setattr(
        Examiner,
        "continued_rates",
        lambda self, step, check, actor: dict.fromkeys(NAMES, 1.0 if step >= kept_from else 0.5),
    )
    run = make_run(tmp_path, "pretrain")
    DOMAIN.pretrain(gated(tiny_experiment, least_continued_success=0.8), run)
    table, policy = results(run)
    accepted = table[table["metric"] == "accepted_success"]
    assert list(accepted["step"]) == [60]
    passed = read_tensors(run.state / "passed.safetensors")
    assert all(torch.equal(passed[f"policy.{name}"], value) for name, value in policy.items())


def test_a_run_killed_while_sac_goes_on_ends_in_the_same_pi_star(
    tmp_path: Path, tiny_experiment: RoboticSequenceExperiment
) -> None:
    whole = make_run(tmp_path / "whole", "pretrain")
    DOMAIN.pretrain(gated(tiny_experiment), whole)
    killed = make_run(tmp_path / "killed", "pretrain")
    killed.checkpoint_seconds = 0.0
    reported = killed.report

    def report(step: int, total: int, **metrics: float) -> None:
        if total == 60 and step >= 36:  # the budget of the continuation
            raise KeyboardInterrupt
        reported(step, total, **metrics)

    killed.report = report  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        DOMAIN.pretrain(gated(tiny_experiment), killed)
    assert list((killed.state / "continued_30").glob("checkpoint_*.json"))
    assert not (killed.state / "verdict.json").exists()
    killed.report = reported  # type: ignore[method-assign]
    DOMAIN.pretrain(gated(tiny_experiment), killed)
    (table, policy), (expected, same) = results(killed), results(whole)
    pd.testing.assert_frame_equal(table, expected)
    assert all(torch.equal(policy[name], value) for name, value in same.items())
