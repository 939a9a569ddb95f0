"""dvc.yaml is what the run table says: every weight of the committed scales, the chain, metrics and plots."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import networkx
import pandas as pd
import pytest
from dvc.repo import Repo
from ruamel.yaml import YAML

from fpc.lineage.artifact import is_heavy
from fpc.lineage.manifest import read
from fpc.workflow.dvc_pipeline import CURVES, PIPELINE, pipeline, recorded_scales
from fpc.workflow.loader import load
from fpc.workflow.run_table import rows

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def lock() -> dict[str, Any]:
    content: dict[str, Any] = YAML(typ="safe", pure=True).load(ROOT / "dvc.lock")
    return content["stages"]  # type: ignore[no-any-return]


@pytest.mark.usefixtures("_at_root")
def test_dvc_yaml_is_in_step_with_the_run_table() -> None:
    assert recorded_scales() == [("laptop", None)]
    expected = pipeline(load(scale, variant) for scale, variant in recorded_scales())
    assert PIPELINE.read_text(encoding="utf-8") == expected, "run `fpc config stages`"


@pytest.mark.usefixtures("_at_root")
def test_dvc_holds_each_file_that_git_does_not_and_deletes_none() -> None:
    with Repo(".") as repository:
        outs = list(repository.index.outs)
    assert all(out.persist for out in outs), "`dvc repro` would delete it first"
    stored = {Path(out.def_path) for out in outs if out.use_cache}
    weights = {
        row.folder / name
        for row in rows(load("laptop"))
        for name in read(row.manifest).subjects
        if is_heavy(name)
    }
    assert len(weights) > 1000
    assert {file for file in weights if not stored & {file, *file.parents}} == set()
    assert {path for path in stored if not any(path in (file, *file.parents) for file in weights)} == set()
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(str(path) for path in weights),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(ignored.stdout.splitlines()) == len(weights)


@pytest.mark.usefixtures("_at_root")
def test_the_graph_shows_how_claims_come_about() -> None:
    with Repo(".") as repository:
        graph = repository.index.graph
        names = {stage.addressing: stage for stage in graph}
        behind = networkx.descendants(graph, names["laptop_report"])
        before = networkx.descendants(graph, names["laptop_finetune_nethack"])
    assert {stage.addressing for stage in before} == {"laptop_pretrain_nethack", "laptop_collect_nethack"}
    assert {stage.addressing for stage in behind} == set(names) - {"laptop_report"}


def test_every_weight_has_one_digest_in_the_lock() -> None:
    digests: dict[str, set[str]] = {}
    for stage in lock().values():
        for item in (*stage.get("deps", []), *stage["outs"]):
            digests.setdefault(item["path"], set()).add(item["md5"])
    assert {path: found for path, found in digests.items() if len(found) > 1} == {}
    weights = [path for path in digests if is_heavy(path) or Path(path).name in ("milestones", "games")]
    assert len(weights) == 95


@pytest.mark.usefixtures("_at_root")
def test_metrics_and_plots_show_the_science(tmp_path: Path) -> None:
    def dvc(*arguments: str) -> str:
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    shown = json.loads(dvc("metrics", "show", "--json"))[""]["data"]["results/laptop/metrics.json"]["data"]
    claims = json.loads((ROOT / "results/laptop/claims.json").read_text(encoding="utf-8"))
    measured = {claim["id"]: claim["measured"] for claim in claims if claim["measured"] is not None}
    assert sum(shown.pop("verdicts").values()) == len(claims)
    assert {name: value for part in shown.values() for name, value in part.items()} == measured

    plots = json.loads(dvc("plots", "show", "--json", "--out", str(tmp_path)))["data"]
    for name in load("laptop").figure.names:
        assert f"results/laptop/figures/{name}.png" in plots
    for name in CURVES:
        (plot,) = plots[f"laptop figure_{name}"]
        drawn = pd.DataFrame(plot["content"]["data"]["values"])
        table = pd.read_csv(ROOT / f"results/laptop/figures/figure_{name}.csv")
        assert len(drawn) == len(table) > 40
        assert drawn["value"].astype(float).tolist() == table["value"].tolist()
        assert set(drawn["rev"]) == {"workspace"}
