"""The examples' domain and learner, added to a copy of the package in their own files only."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest
from tests.additions import copied_project, dry_run, run
from tests.workflow.chain import ROOT

from fpc.core.tables import EPISODES_SCHEMA

EXAMPLES = ROOT / "examples"
# As in the how-tos: a file or folder of the examples, and its destination.
LEARNER = {"hill_climbing.py": "src/fpc/learners/hill_climbing.py"}
DOMAIN = {
    "two_doors/__init__.py": "src/fpc/domains/two_doors/__init__.py",
    "two_doors/config.py": "src/fpc/domains/two_doors/config.py",
    "two_doors/domain.py": "src/fpc/domains/two_doors/domain.py",
    "two_doors/figures.py": "src/fpc/figures/catalogue/two_doors.py",
    "two_doors.yaml": "configs/variants/two_doors.yaml",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code and the configuration with both additions."""
    added = {f"examples/{source}": target for source, target in {**LEARNER, **DOMAIN}.items()}
    return copied_project(tmp_path_factory.mktemp("checkout"), added=added)


def test_the_workflow_sees_them(checkout: Path) -> None:
    planned = dry_run(checkout, "tiny", "variant=two_doors")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", planned, re.MULTILINE))
    runs = {"pretrain": "2", "collect": "2", "finetune": "2", "evaluate": "2"}
    assert {name: jobs[name] for name in runs} == runs


def test_they_run_and_fine_tuning_forgets(checkout: Path) -> None:
    common = ("--scale=tiny", "--variant=two_doors", "--experiment=two_doors", "--seeds=0")
    for phase in ("pretrain", "collect"):
        run(checkout, "fpc", phase, *common)
    for phase in ("finetune", "evaluate"):
        run(checkout, "fpc", phase, *common, "--method=vanilla")
    folder = checkout / "results" / "tiny+two_doors" / "two_doors" / "evaluate" / "vanilla" / "seed_0"
    episodes = pd.read_parquet(folder / "episodes.parquet")
    assert tuple(episodes.columns) == tuple(EPISODES_SCHEMA)
    success = episodes.groupby(["group", "step"])["value"].mean()
    assert success["far", 0] > 0.9
    assert success["far", 200] < success["far", 0]
    assert success["close", 200] > success["close", 0]


def test_a_method_that_the_learner_cannot_serve_is_rejected(checkout: Path) -> None:
    text = (EXAMPLES / "two_doors.yaml").read_text("utf-8")
    needy = text.replace("vanilla:", "kickstarting:").replace(
        "two_doors: {}", "two_doors: {coefficient: 1.0}"
    )
    (checkout / "configs" / "variants" / "needy.yaml").write_text(needy, "utf-8")
    with pytest.raises(AssertionError, match="hill_climbing"):
        run(checkout, "fpc", "config", "check", "--scale=tiny", "--variant=needy")


@pytest.mark.parametrize(("page", "files"), [("add-a-learner.md", LEARNER), ("add-a-domain.md", DOMAIN)])
def test_the_how_to_names_every_file(page: str, files: dict[str, str]) -> None:
    text = (ROOT / "docs" / "how-to" / page).read_text("utf-8")
    for source, target in files.items():
        assert f"examples/{source}" in text
        assert target in text
