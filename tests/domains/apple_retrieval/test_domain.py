"""The chain of phases: reproducible by seed, exact on resume, and forgetting as in the paper."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from fpc.core.files import read_tensors
from fpc.domains.apple_retrieval.domain import DOMAIN
from fpc.domains.apple_retrieval.training import spread
from fpc.figures.drawing import load_figure
from fpc.figures.interface import FigureSettings, MissingData
from fpc.learners.reinforce import train as reinforce
from fpc.retention.interface import Need
from fpc.retention.registry import load_method

from .chain import OPTIONS, evaluate, experiment, finetune, make_run, prepare

SECTION = experiment()
LAST = "milestones/step_400.safetensors"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chain")
    prepare(folder, SECTION)
    return folder


@pytest.fixture(scope="module")
def vanilla(chain: Path) -> pd.DataFrame:
    finetune(chain, SECTION, "vanilla")
    return pd.read_parquet(evaluate(chain, SECTION, "vanilla"))


def skill(episodes: pd.DataFrame, probe: str) -> pd.DataFrame:
    rows = episodes[(episodes["probe"] == probe) & (episodes["measure"] == "correct_probability")]
    return rows.pivot_table(index="condition", columns="step", values="value")


def test_pi_star_knows_phase_2_only(vanilla: pd.DataFrame) -> None:
    assert (skill(vanilla, "phase_2")[0] > 0.6).all()
    assert (skill(vanilla, "phase_1")[0] < 0.5).all()


def test_vanilla_forgets_phase_2_while_it_learns_phase_1(vanilla: pd.DataFrame) -> None:
    close, far = skill(vanilla, "phase_1").loc["M=30,c=0.25"], skill(vanilla, "phase_2").loc["M=30,c=0.25"]
    assert close[400] > close[0] + 0.2
    assert far[400] < far[0] - 0.2


def test_table_of_episodes(vanilla: pd.DataFrame) -> None:
    assert set(vanilla["step"]) == {0, 100, 200, 300, 400}
    assert set(zip(vanilla["probe"], vanilla["group"], strict=True)) == {
        ("phase_1", "close"),
        ("phase_2", "far"),
        ("whole", "whole"),
    }
    success = vanilla[vanilla["measure"] == "success"]
    # 5 milestones, 3 probes, 3 conditions, 3 seeds, 5 episodes
    assert len(success) == 5 * 3 * 3 * 3 * 5
    assert set(success["value"]) <= {0.0, 1.0}
    ratio = vanilla[vanilla["measure"] == "weight_ratio"]
    assert set(ratio["episode"]) == {-1}


def test_training_table(chain: Path, vanilla: pd.DataFrame) -> None:
    training = pd.read_parquet(make_run(chain, "finetune", "vanilla").output / "training.parquet")
    assert list(training.columns) == ["step", "seed", "metric", "value", "condition"]
    assert set(training["metric"]) == {"success", "return", "reached_phase_2"}
    reached = training[training["metric"] == "reached_phase_2"].groupby("step")["value"].mean()
    assert reached.iloc[-5:].mean() > reached.iloc[:5].mean()


def test_expert_data_are_states_of_phase_2(chain: Path) -> None:
    expert = read_tensors(make_run(chain, "collect").output / "expert.safetensors")
    policy = read_tensors(make_run(chain, "pretrain").output / "policy.safetensors")
    assert expert["observations"].shape == (9, 50, 1)
    assert expert["observations"][:, 0, 0].tolist() == pytest.approx([0.5] * 6 + [0.25] * 3)
    assert expert["observations"].std(dim=1).max().item() == 0.0
    logits = policy["weight"] * expert["observations"][:, 0, 0] + policy["bias"]
    assert expert["outputs"][:, 0, 0].tolist() == pytest.approx(logits.tolist())


@pytest.mark.parametrize("method", ["behavioral_cloning", "ewc"])
def test_retention_keeps_phase_2(chain: Path, vanilla: pd.DataFrame, method: str) -> None:
    finetune(chain, SECTION, method)
    kept = pd.read_parquet(evaluate(chain, SECTION, method))
    condition = "M=30,c=0.25"
    assert skill(kept, "phase_2").loc[condition, 400] > skill(vanilla, "phase_2").loc[condition, 400] + 0.05


@pytest.mark.parametrize("method", ["scratch", "vanilla", "kickstarting"])
def test_a_seed_gives_the_same_run_alone_and_among_others(
    chain: Path, vanilla: pd.DataFrame, tmp_path: Path, method: str
) -> None:
    together = read_tensors(finetune(chain, SECTION, method) / LAST)
    section = experiment(conditions=[{"distance": 30, "signal": 0.5}])
    prepare(tmp_path, section, seeds=(1,))
    alone = read_tensors(finetune(tmp_path, section, method, seeds=(1,)) / LAST)
    for name in ("weight", "bias"):  # run 4: second condition, second seed
        assert alone[name].item() == pytest.approx(together[name][4].item(), abs=1e-9)


@pytest.mark.parametrize("method", sorted(OPTIONS))
def test_a_killed_run_ends_with_the_same_bits(
    chain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    whole = finetune(chain, SECTION, method)
    expected, table = (whole / LAST).read_bytes(), (whole / "training.parquet").read_bytes()
    for phase in ("pretrain", "collect"):
        shutil.copytree(chain / phase, tmp_path / phase)
    run = make_run(tmp_path, "finetune", method)
    options = load_method(method).Options(**OPTIONS[method])
    calls = 0
    plain = reinforce.summed_returns

    def dies(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls > 25:
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(reinforce, "summed_returns", dies)
    with pytest.raises(KeyboardInterrupt):
        DOMAIN.finetune(SECTION, method, options, run)
    monkeypatch.setattr(reinforce, "summed_returns", plain)
    assert not (run.output / LAST).exists()
    DOMAIN.finetune(SECTION, method, options, run)
    assert (run.output / LAST).read_bytes() == expected
    assert (run.output / "training.parquet").read_bytes() == table


def test_one_pi_star_for_all_seeds_or_one_for_each() -> None:
    from fpc.domains.apple_retrieval.rollout import Grid

    grid = Grid(SECTION.environment, (0, 1, 2))
    assert spread(torch.tensor([1.0, 2.0, 3.0]), grid).tolist() == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert spread(torch.arange(9.0), grid).tolist() == list(range(9))
    with pytest.raises(ValueError, match="trained with 2 seeds, but this run has 3"):
        spread(torch.arange(6.0), grid)


def test_episodic_memory_is_rejected() -> None:
    assert load_method("episodic_memory").needs - DOMAIN.learner.provides == {Need.REPLAY_BUFFER}


def test_conditions_are_listed_once() -> None:
    with pytest.raises(ValidationError, match="duplicate conditions: M=3,c=1"):
        experiment(conditions=[{"distance": 3, "signal": 1.0}] * 2)


def test_figures(chain: Path, vanilla: pd.DataFrame) -> None:
    training = pd.read_parquet(make_run(chain, "finetune", "vanilla").output / "training.parquet")
    tables = {"episodes": vanilla, "training": training.assign(method="vanilla")}
    settings = FigureSettings(scale="tiny", resamples=50)
    figure_10, figure_11 = load_figure("figure_10"), load_figure("figure_11")
    by_distance, by_signal = figure_10.data(tables, settings), figure_11.data(tables, settings)
    assert set(by_distance["condition"]) == {"M=10,c=0.5", "M=30,c=0.5"}
    assert set(by_signal["condition"]) == {"M=30,c=0.25", "M=30,c=0.5"}
    drop = by_signal.query("panel == 'forgetting' and statistic == 'mean' and condition == 'M=30,c=0.25'")
    exact = skill(vanilla, "phase_2").loc["M=30,c=0.25"]
    assert drop.set_index("step")["value"].to_dict() == pytest.approx((exact[0] - exact).to_dict(), abs=1e-9)
    for figure, data in ((figure_10, by_distance), (figure_11, by_signal)):
        assert len(figure.draw(data, settings).axes) == 3
        with pytest.raises(MissingData):
            figure.data({}, settings)
