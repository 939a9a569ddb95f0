"""DVC has the committed scales' files that are not in git, the graph up to the report, metrics and plots."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import networkx
import pandas as pd
import pytest
from dvc.repo import Repo

from fpc.lineage.artifact import Row
from fpc.lineage.dvc_lock import read_lock
from fpc.lineage.manifest import heavy_sizes, read
from fpc.workflow.dvc_pipeline import CURVES, PIPELINE, pipeline, recorded_scales
from fpc.workflow.dvc_record import kept_paths
from fpc.workflow.loader import load
from fpc.workflow.run_table import RunTable

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def _at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("_at_root")
def test_dvc_yaml_matches_the_run_table() -> None:
    assert ("laptop", None) in recorded_scales()
    expected = pipeline(load(scale, variant) for scale, variant in recorded_scales())
    assert PIPELINE.read_text(encoding="utf-8") == expected, "run `fpc config stages`"


@pytest.mark.usefixtures("_at_root")
def test_dvc_does_not_delete_outputs_before_a_stage_runs() -> None:
    with Repo(".") as repository:
        outs = [out for stage in repository.index.stages if stage.cmd for out in stage.outs]
    assert len(outs) >= 14  # of one scale
    assert all(out.persist and not out.use_cache for out in outs), "`dvc repro` would delete it first"


def runs() -> dict[Path, tuple[RunTable, Row]]:
    """The runs of the committed scales that are made, by folder; variants share runs with their scale."""
    found: dict[Path, tuple[RunTable, Row]] = {}
    for scale, variant in recorded_scales():
        table = RunTable(load(scale, variant))
        made = (row for row in table.rows() if row.experiment is not None and row.manifest.exists())
        found |= {row.folder: (table, row) for row in made if row.folder not in found}
    return found


@pytest.mark.usefixtures("_at_root")
def test_what_every_clone_contains_is_small_enough_for_git() -> None:
    kept: dict[str, int] = {}
    for table, row in runs().values():
        sizes = heavy_sizes(read(row.manifest))
        kept |= {f"{row.folder}/{name}": sizes[name] for name in table.kept(row, sizes)}
    assert sum(kept.values()) < 60_000_000
    assert sum("/nethack/finetune/" in name for name in kept) == 5  # each method's last milestone
    assert "results/laptop/nethack/pretrain/seed_0/policy.safetensors" in kept


@pytest.mark.usefixtures("_at_root")
def test_dvc_records_each_kept_file_and_none_that_git_holds() -> None:
    recorded = read_lock(lock=Path("none")).outputs
    files: list[Path] = []
    named: set[Path] = set()
    kept: set[Path] = set()
    for table, row in runs().values():
        sizes = heavy_sizes(read(row.manifest))
        heavy = {row.folder / name: size for name, size in sizes.items()}
        files += heavy
        for item in recorded.get(row.folder, ()):
            inside = [size for path, size in heavy.items() if item.path in (path, *path.parents)]
            assert inside, item.path
            assert item.size == sum(inside), item.path
            assert len(item.md5.removesuffix(".dir")) == 32, item.path
            named.add(item.path)
        kept |= set(kept_paths(table, row))
    assert named == {item.path for items in recorded.values() for item in items}
    assert len(files) > 2000
    assert named == kept
    assert len(kept) >= 45
    ignored = subprocess.run(
        ["git", "check-ignore", "--no-index", "--stdin"],
        input="\n".join(str(path) for path in files),
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(ignored.stdout.splitlines()) == len(files)


@pytest.mark.usefixtures("_at_root")
def test_the_graph_shows_what_claims_are_made_from() -> None:
    with Repo(".") as repository:
        graph = repository.index.graph
        names = {stage.addressing: stage for stage in graph if stage.cmd}
        behind = networkx.descendants(graph, names["laptop_report"])
    of_the_scale = {name for name in names if name.startswith("laptop_")}
    assert {stage.addressing for stage in behind} == of_the_scale - {"laptop_report"}
    assert "laptop_tables@nethack" in names


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
        (plot,) = plots[f"results/laptop/figures/figure_{name}.csv"]
        drawn = pd.DataFrame(plot["content"]["data"]["values"])
        table = pd.read_csv(ROOT / f"results/laptop/figures/figure_{name}.csv")
        assert len(drawn) == len(table) > 40
        assert drawn["value"].astype(float).tolist() == table["value"].tolist()
        assert set(drawn["rev"]) == {"workspace"}
