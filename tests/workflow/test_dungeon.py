"""NetHack's whole chain with real games, networks and Sample Factory, at the scale ``dungeon``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from tests.workflow.chain import BIN, run_chain

from fpc.core.files import read_tensors
from fpc.core.milestones import milestone_path
from fpc.domains.nethack.milestone_weights import complete_weights

METHODS = ("scratch", "vanilla", "behavioral_cloning", "kickstarting", "ewc")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``results/dungeon`` of a project in which the chain has run."""
    return run_chain(tmp_path_factory.mktemp("project"), "dungeon")


def test_every_method_has_milestones_and_all_probes(made: Path) -> None:
    for method in METHODS:
        run = made / "nethack" / "finetune" / method / "seed_0"
        first, last = (read_tensors(milestone_path(run, step)) for step in (0, 256))
        assert (last["policy.weight"] != first.get("policy.weight", 0.0)).any()
        episodes = pd.read_parquet(made / "nethack" / "evaluate" / method / "seed_0" / "episodes.parquet")
        assert set(episodes["probe"]) == {"level_1", "level_2", "sokoban", "final"}
        assert set(episodes.loc[episodes["probe"] == "level_1", "step"]) == {0, 64, 128, 256}
        assert set(episodes.loc[episodes["probe"] == "final", "step"]) == {0, 256}


def test_milestones_hold_what_is_no_longer_pi_stars(made: Path) -> None:
    path = made / "nethack" / "pretrain" / "seed_0" / "policy.safetensors"
    pi_star = read_tensors(path)
    critic = {"baseline.weight", "baseline.bias"}  # trained after the policy
    trained = {name for name in pi_star if name.startswith(("core.", "policy."))} | critic
    runs = {method: made / "nethack" / "finetune" / method / "seed_0" for method in METHODS}
    for method in METHODS[1:]:
        assert read_tensors(milestone_path(runs[method], 0)).keys() == critic
        last = milestone_path(runs[method], 256)
        assert read_tensors(last).keys() == trained
        assert complete_weights(last, path).keys() == pi_star.keys()
    for step in (0, 256):
        assert read_tensors(milestone_path(runs["scratch"], step)).keys() == pi_star.keys()


def test_divergence_is_zero_at_first_and_smaller_with_a_teacher(made: Path) -> None:
    found = {}
    for method in METHODS[1:]:
        episodes = pd.read_parquet(made / "nethack" / "evaluate" / method / "seed_0" / "episodes.parquet")
        rows = episodes[episodes["measure"] == "kl_divergence"]
        means = rows.groupby("step")["value"].mean()
        assert means[0] == pytest.approx(0.0, abs=1e-6)
        found[method] = means[256]
    assert found["behavioral_cloning"] < found["vanilla"]


def test_figures_tables_and_claims(made: Path) -> None:
    names = ["figure_3a", "figure_4", "figure_5", "figure_14", "figure_15", "figure_16", "table_4", "table_5"]
    for name in names:
        for ending in ("svg", "png", "csv"):
            assert (made / "figures" / f"{name}.{ending}").stat().st_size > 100
    claims = json.loads((made / "claims.json").read_text())
    ours = [claim for claim in claims if claim["domain"] == "nethack"]
    assert ours
    assert {claim["verdict"] for claim in ours} == {"not_testable"}  # one seed


def test_the_audit_verifies_all_of_it(made: Path) -> None:
    audit = subprocess.run(
        [BIN / "fpc", "audit", "verify"], cwd=made.parents[1], capture_output=True, text=True, check=False
    )
    assert audit.returncode == 0, audit.stdout
    assert audit.stdout.strip().endswith("verified")
