"""When pi* may be published."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from fpc.core.files import read_json, read_tensors, write_json
from fpc.domains.robotic_sequence import acceptance
from fpc.domains.robotic_sequence.acceptance import (
    Calibration,
    Examiner,
    UnacceptablePolicy,
    Verdict,
    correlation,
    soft_returns,
    value_calibration,
)
from fpc.domains.robotic_sequence.config import PretrainOptions, RoboticSequenceExperiment
from fpc.domains.robotic_sequence.domain import DOMAIN
from fpc.domains.robotic_sequence.environment import RoboticSequence
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.options import SACOptions

from .conftest import SAC, environment_options, make_run


def options_of(**changes: Any) -> PretrainOptions:
    values = {"recipe": "sac", "sac": SAC, "steps": 300, "stop_success": 1.0, "probe_every": 30}
    return PretrainOptions.model_validate(values | {"probe_episodes": 2} | changes)


def test_soft_returns_by_hand() -> None:
    # Two episodes, of two steps and of one. gamma = .5, alpha = 2.
    # G_1 = 3; G_0 = 1 + .5 (3 - 2 * .25) = 2.25, so its own log probability of 9 does not count.
    # The second episode's only step has the return 7, whatever its log probability.
    rewards, log_probs = np.array([1.0, 3.0, 7.0]), np.array([9.0, 0.25, -4.0])
    found = soft_returns(rewards, log_probs, np.array([False, True, True]), alpha=2.0, gamma=0.5)
    assert found.tolist() == [2.25, 3.0, 7.0]


def test_correlation_by_hand() -> None:
    # Deviations (-1, 0, 1) and (-1, 1, 0): 1 / 2.
    assert correlation(np.array([1.0, 2, 3]), np.array([0.0, 2, 1])) == pytest.approx(0.5)
    assert math.isnan(correlation(np.ones(3), np.array([0.0, 2, 1])))


def test_calibration_by_hand() -> None:
    # Deviations of Q (-1, 0, 1), of G (-3, 1, 2): covariance 5/3, variances 2/3 and 14/3.
    found = Calibration.of(np.array([4.0, 5, 6]), np.array([0.0, 4, 5]))
    assert found.correlation == pytest.approx(5 / np.sqrt(28))
    assert found.slope == pytest.approx(2.5)
    assert found.bias == pytest.approx(2.0)
    assert found.relative_bias == pytest.approx(2 / np.sqrt(14 / 3))


def test_calibration_sees_what_the_correlation_does_not() -> None:
    """Q = 10 G + 100 correlates perfectly and is wrong by 90 % of Q's slope and by 109 on average."""
    returns = np.array([0.0, 1.0, 2.0])
    found = Calibration.of(10 * returns + 100, returns)
    assert found.correlation == pytest.approx(1.0)
    assert found.slope == pytest.approx(0.1)
    assert found.bias == pytest.approx(109.0)
    assert found.relative_bias == pytest.approx(109 / np.sqrt(2 / 3))


def test_calibration_without_variation() -> None:
    flat, varied = np.ones(3), np.array([0.0, 2, 1])
    assert math.isnan(Calibration.of(flat, varied).slope)
    assert Calibration.of(varied, flat).slope == 0.0
    assert math.isnan(Calibration.of(varied, flat).relative_bias)


def test_critics_that_know_the_return_correlate_and_others_do_not() -> None:
    """Rewards of 1 and no entropy: the return depends on the time left alone, which the observation holds."""
    environment = RoboticSequence(environment_options(max_steps=12))
    options = SACOptions.model_validate(SAC | {"hidden_sizes": (8,), "layer_norm": False, "gamma": 1.0})
    actor = Actor(43, 4, 3, options, torch.Generator().manual_seed(0))
    critics = Critics(43, 4, 3, options)
    with torch.no_grad():
        for value in critics.parameters():
            value.zero_()
        critics.log_temperature.fill_(-100.0)
        critics.weights[0][:, 39, 0] = -1.0  # one unit: leaky_relu(2 - t/T) = 2 - t/T
        critics.biases[0][:, 0, 0] = 2.0
        critics.head_weight[:, 0] = torch.tensor([1.0, 5.0]).view(2, 1)
    environment.tasks[1].step = lambda action: (np.zeros(39), 1.0, False)  # type: ignore[method-assign]
    scale = environment.options.reward_scale

    def found() -> float:
        rng = torch.Generator().manual_seed(0)
        return value_calibration(environment, actor, critics, 1, [1, 2], rng).correlation

    assert scale == 0.1
    assert found() == pytest.approx(1.0)
    with torch.no_grad():
        critics.head_weight.neg_()
    assert found() == pytest.approx(-1.0)
    with torch.no_grad():
        critics.head_weight.zero_()
    assert math.isnan(found())


def calibration_of(correlated: float) -> Calibration:
    return Calibration(correlated, 1.0, 0.0, 0.0)


def verdict(success: float, correlated: float, sampled: float = 1.0, continued: float = 1.0) -> Verdict:
    calibration = {"1_a": calibration_of(0.95), "2_b": calibration_of(correlated)}
    rates = ({"1_a": 1.0, "2_b": rate} for rate in (success, sampled, continued))
    success_rates, sampled_rates, continued_rates = rates
    return Verdict(300, success_rates, sampled_rates, calibration, continued_rates)


def test_a_verdict_is_the_same_after_a_restart_also_without_a_correlation(tmp_path: Path) -> None:
    found = Verdict(300, {"1_a": 1.0}, {"1_a": 0.9}, {"1_a": Calibration(math.nan, math.nan, 2.0, math.nan)})
    write_json(tmp_path / "verdict.json", found.values())
    again = Verdict.of(read_json(tmp_path / "verdict.json"))
    assert repr(again) == repr(found)  # NaN is not equal to itself


@pytest.mark.parametrize(
    ("found", "changes", "message"),
    [
        (verdict(1.0, 0.8), {}, None),
        (
            verdict(0.9, 0.9),
            {},
            r"0.90 \(2_b\) after 300 steps.*stop_success, 1; raise pretrain.steps, or set",
        ),
        (verdict(0.9, 0.9), {"accept_below": 0.9}, None),
        (verdict(0.8, 0.9), {"accept_below": 0.9}, "e.g. 0.8"),
        (verdict(1.0, 0.79), {}, r"0.79 \(2_b\), below pretrain.least_value_correlation, 0.8; raise"),
        (verdict(1.0, float("nan")), {}, r"nan \(2_b\)"),
        (verdict(1.0, 0.79), {"least_value_correlation": 0.5}, None),
        (verdict(1.0, float("nan")), {"least_value_correlation": None}, None),
        (verdict(0.9, 0.5), {"accept_below": 0.5}, "critics do not know it"),
        (verdict(1.0, 0.9, sampled=0.9, continued=0.8), {}, None),
        (
            verdict(1.0, 0.9, sampled=0.8),
            {},
            r"sampled actions.*0.80 \(2_b\) after 300 steps.*_success, 0.9; raise",
        ),
        (verdict(1.0, 0.9, sampled=0.8), {"least_sampled_success": None}, None),
        (
            verdict(1.0, 0.9, continued=0.7),
            {},
            r"over 10000 further updates is .*0.70 \(2_b\), below.*0.8, so",
        ),
        (verdict(1.0, 0.9, continued=0.7), {"least_continued_success": 0.7}, None),
    ],
)
def test_what_is_accepted(found: Verdict, changes: dict[str, Any], message: str | None) -> None:
    examiner = Examiner(environment_options(max_steps=12), options_of(**changes), 0)
    if message is None:
        examiner.accept(found)
        return
    with pytest.raises(UnacceptablePolicy, match=message):
        examiner.accept(found)


def test_confirmation_uses_fresh_episodes(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[tuple[int, list[int]]] = []

    def rate(environment: Any, act: Any, stage: int, seeds: list[int]) -> float:
        played.append((stage, seeds))
        return 1.0 if len(played) <= 2 else 0.5

    monkeypatch.setattr(acceptance, "success_rate", rate)
    monkeypatch.setattr(acceptance, "value_calibration", lambda *_: calibration_of(0.9))
    examiner = Examiner(environment_options(max_steps=12), options_of(), 0)
    networks = (Actor(43, 4, 3, examiner.options.sac), Critics(43, 4, 3, examiner.options.sac))
    found = examiner.examine(60, *networks)
    assert [stage for stage, _ in played] == [1, 2] * 3
    first, fresh, sampled = (set(played[number][1]) for number in (0, 2, 4))
    assert len(first) == len(fresh) == len(sampled) == 2
    assert not first & fresh
    assert not sampled & (first | fresh)
    assert found.sampled == {"1_drawer-close": 0.5, "2_push-wall": 0.5}
    assert found.success == {"1_drawer-close": 0.5, "2_push-wall": 0.5}
    assert not examiner.passes(found)
    examiner.examine(90, *networks)
    assert not fresh & set(played[8][1]), "each check is confirmed on episodes of its own"


def pretrain(
    tmp_path: Path, experiment: RoboticSequenceExperiment, **changes: Any
) -> tuple[pd.DataFrame, dict[str, torch.Tensor]]:
    changes = {"recipe": "sac", "clone": None, "steps": 120, "accept_below": None} | changes
    run = make_run(tmp_path, "pretrain")
    pretraining = experiment.pretrain.model_copy(update=changes)
    DOMAIN.pretrain(experiment.model_copy(update={"pretrain": pretraining}), run)
    return pd.read_parquet(run.output / "training.parquet"), read_tensors(run.output / "policy.safetensors")


def test_a_policy_that_never_solves_its_stages_is_an_error(
    tmp_path: Path, tiny_experiment: RoboticSequenceExperiment
) -> None:
    with pytest.raises(UnacceptablePolicy, match=r"below pretrain\.stop_success, 1; raise"):
        pretrain(tmp_path, tiny_experiment)
    assert not (tmp_path / "pretrain" / "policy.safetensors").exists()
    table, _ = pretrain(tmp_path, tiny_experiment, accept_below=0.0)
    last = table.set_index("metric")["value"]
    assert last["accepted_success"] == min(
        last["confirmed_success_1_drawer-close"], last["confirmed_success_2_push-wall"]
    )
    measures = ("correlation", "slope", "bias", "relative_bias")
    assert {f"value_{name}_2_push-wall" for name in measures} <= set(last.index)
    assert "value_slope_1_drawer-close" in last.index
    assert (table["metric"] == "check_success_2_push-wall").sum() == 4


def test_stages_take_turns_and_training_goes_on_until_it_is_confirmed(
    tmp_path: Path, tiny_experiment: RoboticSequenceExperiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first check passes on the first episodes alone, the second is confirmed."""
    stages: list[tuple[int, ...]] = []
    reset = RoboticSequence.reset

    def watched(self: RoboticSequence, *, seed: int | None = None, options: Any = None) -> Any:
        if seed is not None and options is not None:
            stages.append(options["stages"])
        return reset(self, seed=seed, options=options)

    rates = iter([1.0, 1.0, 0.0, 0.0, 1.0, 1.0] + [1.0] * 10)
    monkeypatch.setattr(RoboticSequence, "reset", watched)
    monkeypatch.setattr(acceptance, "success_rate", lambda *_: next(rates))
    monkeypatch.setattr(acceptance, "value_calibration", lambda *_: calibration_of(0.81))
    table, policy = pretrain(tmp_path, tiny_experiment, least_value_correlation=0.8, steps=300)
    checks = table[table["metric"] == "check_success_1_drawer-close"]
    assert list(checks["step"]) == [30, 60]
    accepted = table[table["metric"] == "accepted_success"]
    assert accepted[["step", "value"]].to_numpy().tolist() == [[60, 1.0]]
    assert table[table["metric"] == "length"]["step"].max() == 60
    assert stages == [(1,), (2,)] * (len(stages) // 2) + [(1,)] * (len(stages) % 2)
    assert len(stages) >= 5
    verdict = read_json(tmp_path / "pretrain_state" / "verdict.json")
    assert {name: found["correlation"] for name, found in verdict["calibration"].items()} == {
        "1_drawer-close": 0.81,
        "2_push-wall": 0.81,
    }
    passed = read_tensors(tmp_path / "pretrain_state" / "passed.safetensors")
    assert all(torch.equal(passed[f"policy.{name}"], value) for name, value in policy.items())
