"""The taxi's whole chain in a copied project, with no file of the package touched."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.workflow.chain import ROOT, command_in, copy_project

LABEL = "tiny+taxi"
METHODS = ["vanilla", "behavioral_cloning", "ewc"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration, workflow and the domain's folder, with one seed and budgets of seconds."""
    project = tmp_path_factory.mktemp("checkout")
    copy_project(project, "tiny")
    shutil.copytree(ROOT / "examples" / "domains" / "taxi", project / "examples" / "domains" / "taxi")
    path = project / "configs" / "variants" / "taxi.yaml"
    variant = yaml.safe_load(path.read_text(encoding="utf-8"))
    taxi = variant["experiments"]["taxi"]
    taxi["seeds"] = 1
    taxi["pretrain"]["steps"] = taxi["collect"]["states"] = 1024
    taxi["finetune"] |= {"steps": 1024, "evaluate_every": 1024, "early_milestones": [512]}
    taxi["evaluate"]["episodes"] = 12
    taxi["methods"] = METHODS
    variant["methods"]["ewc"]["taxi"]["fisher_batches"] = 2
    path.write_text(yaml.safe_dump(variant), encoding="utf-8")
    return project


def snakemake(project: Path, *more: str) -> str:
    """Its standard output."""
    made = command_in(
        project, "snakemake", "--cores", "2", *more, "--config", "scale=tiny", "variant=taxi", timeout=500
    )
    logs = "\n".join(path.read_text() for path in (project / "results").glob(".logs/**/*.log"))
    assert made.returncode == 0, made.stderr[-3000:] + logs[-3000:]
    return made.stdout


def test_the_chain_of_this_domain_alone_runs_and_verifies(checkout: Path) -> None:
    planned = dict(re.findall(r"^(\w+) +(\d+)$", snakemake(checkout, "--dry-run"), re.MULTILINE))
    runs = {"pretrain": "1", "collect": "1", "finetune": "3", "evaluate": "3", "figure": "1"}
    assert {name: planned[name] for name in runs} == runs
    snakemake(checkout)
    results = checkout / "results" / LABEL
    plotted = pd.read_csv(results / "figures" / "figure_taxi.csv", comment="#")
    assert set(plotted["method"]) == set(METHODS)
    assert set(plotted["group"]) == {"close", "far", "whole"}
    claims = json.loads((results / "claims.json").read_text(encoding="utf-8"))
    assert [claim["domain"] for claim in claims] == ["taxi"] * 4
    report = (results / "report.html").read_text(encoding="utf-8")
    assert re.search(r"That fine-tuning loses what π\* knew is [a-z ]+ on the taxi\.", report)
    manifest = (results / "taxi" / "finetune" / "vanilla" / "seed_0" / "manifest.json").read_text()
    assert "examples/domains/taxi/environment.py" in manifest

    found = command_in(checkout, "fpc", "audit", "verify", "--json")
    verdicts = {one["verdict"] for one in json.loads(found.stdout)["findings"]}
    assert (found.returncode, verdicts) == (0, {"verified"})


def test_methods_start_from_the_same_policy_and_every_milestone_is_measured(checkout: Path) -> None:
    snakemake(checkout)
    runs = checkout / "results" / LABEL / "taxi" / "evaluate"
    started = {}
    for method in METHODS:
        episodes = pd.read_parquet(runs / method / "seed_0" / "episodes.parquet")
        assert set(episodes["step"]) == {0, 512, 1024}
        started[method] = episodes[episodes["step"] == 0].groupby("probe")["value"].sum().to_dict()
    pi_star = started.pop("vanilla")
    assert all(rates == pi_star for rates in started.values())
    rows = episodes[episodes["step"] == 0].pivot(index="episode", columns="probe", values="value")
    assert bool((rows["whole"] <= rows["pick_up"]).all())
