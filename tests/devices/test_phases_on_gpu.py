"""Whole phases on a pretended GPU: cloning, collecting, evaluating; interrupted and resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from fpc.core.files import read_tensors, write_tensors
from fpc.domains.montezuma import evaluation as montezuma
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.nethack.collecting import collect
from fpc.domains.nethack.evaluation import evaluate, evaluate_pi_star
from fpc.domains.nethack.pretraining import pretrain
from fpc.workflow.run import Run
from tests.domains.montezuma import phases as temple
from tests.domains.nethack import test_collecting as dungeon
from tests.domains.nethack import test_evaluation as probes
from tests.domains.nethack.random_games import experiment
from tests.learners.test_appo import same
from tests.pretended_cuda import NAME, pretended_cuda

MADE = ("policy.safetensors", "expert.safetensors", "divergence.safetensors")


def on_gpu(run: Run) -> Run:
    return replace(run, device="cuda", checkpoint_seconds=0.0)


def tables_of(run: Run) -> dict[str, pd.DataFrame]:
    return {path.name: pd.read_parquet(path) for path in sorted(run.output.glob("*.parquet"))}


def assert_same_files(one: Path, other: Path) -> None:
    """Weights and data of one folder are those of another."""
    for name in MADE:
        if (one / name).exists():
            assert same(read_tensors(one / name), read_tensors(other / name)), name


def devices(run: Run) -> set[str]:
    return run._devices


def stopped_after(run: Run, metric: str, count: int) -> Run:
    """A run that is interrupted when it reports a metric for the ``count``-th time."""
    report, seen = run.report, 0

    def interrupting(*values: Any, **metrics: float) -> None:
        nonlocal seen
        seen += metric in metrics
        if seen == count:
            raise KeyboardInterrupt
        report(*values, **metrics)

    run.report = interrupting  # type: ignore[method-assign]
    return run


@pytest.mark.slow
def test_nethacks_pi_star_is_cloned_and_collects_as_on_cpus(tmp_path: Path) -> None:
    """Half of the cloning is made before an interruption."""
    chosen = dungeon.small()
    with pretended_cuda():
        interrupted = stopped_after(
            on_gpu(dungeon.make_run(tmp_path / "gpu", "pretrain")), "training_cross_entropy", 3
        )
        with pytest.raises(KeyboardInterrupt):
            pretrain(chosen, interrupted)
        cloned = on_gpu(dungeon.make_run(tmp_path / "gpu", "pretrain"))
        pretrain(chosen, cloned)
        collected = on_gpu(dungeon.make_run(tmp_path / "gpu", "collect"))
        collect(chosen, collected)
    assert devices(cloned) == devices(collected) == {NAME}
    pretrain(chosen, dungeon.make_run(tmp_path / "cpu", "pretrain"))
    collect(chosen, dungeon.make_run(tmp_path / "cpu", "collect"))
    for phase in ("pretrain", "collect"):
        assert_same_files(tmp_path / "gpu" / phase, tmp_path / "cpu" / phase)


def test_nethacks_probes_play_the_games_that_they_play_on_cpus(tmp_path: Path) -> None:
    chosen = experiment(**probes.EVALUATE)
    with pretended_cuda():
        run = on_gpu(probes.make_run(tmp_path / "gpu"))
        evaluate(chosen, run)
        pi_star = on_gpu(probes.make_run(tmp_path / "pi_star", "pi_star"))
        evaluate_pi_star(chosen, pi_star)
    assert devices(run) == devices(pi_star) == {NAME}
    here = probes.make_run(tmp_path / "cpu")
    evaluate(chosen, here)
    for name, table in tables_of(here).items():
        pd.testing.assert_frame_equal(table, tables_of(run)[name])


@pytest.mark.usefixtures("project")
def test_montezumas_phases_give_what_they_give_on_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = temple.experiment(
        environment={"room": 7}, evaluate={"episodes": 2, "start_episodes": 1, "max_steps": 20}
    )
    make = temple.run_of
    found = {}
    for device in ("cuda", "cpu"):
        folder = tmp_path / device
        made: list[Run] = []

        def run_of(*values: Any, device: str = device, made: list[Run] = made, **parents: Path) -> Run:
            made.append(replace(make(*values, **parents), device=device))  # type: ignore[arg-type]
            return made[-1]

        monkeypatch.setattr(temple, "run_of", run_of)
        with pretended_cuda():
            parents = temple.collected(chosen, folder)
            network = MontezumaNetwork.seeded(chosen.network, chosen.environment, seed=1)
            parents["finetune"] = folder / "finetune"
            milestone = parents["finetune"] / "milestones" / "step_0.safetensors"
            write_tensors(milestone, network.state_dict())
            run = run_of(folder, "evaluate", "vanilla", **parents)
            montezuma.evaluate(chosen, run)
        assert devices(run) == devices(made[1]) == {NAME if device == "cuda" else "cpu"}
        found[device] = run, parents["collect"]
    assert_same_files(found["cuda"][1], found["cpu"][1])
    for name, table in tables_of(found["cpu"][0]).items():
        pd.testing.assert_frame_equal(table, tables_of(found["cuda"][0])[name])
