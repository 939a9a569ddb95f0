"""The example of a learner, added to a copy of the package, and the domain that it trains, outside of it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
from tests.additions import copied_project, dry_run, run
from tests.workflow.chain import ROOT

from fpc.core.tables import EPISODES_SCHEMA

EXAMPLES = ROOT / "examples"
# As in the how-to: a file of the examples, and its destination.
COPIED = {
    "examples/hill_climbing.py": "src/fpc/learners/hill_climbing.py",
    "examples/two_doors.yaml": "configs/variants/two_doors.yaml",
}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code and the configuration with the additions."""
    folder = copied_project(tmp_path_factory.mktemp("checkout"), added=COPIED)
    shutil.copytree(EXAMPLES / "two_doors", folder / "examples" / "two_doors")
    return folder


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


def test_the_how_to_names_every_file() -> None:
    text = (ROOT / "docs" / "how-to" / "add-a-learner.md").read_text("utf-8")
    assert dict(re.findall(r"^cp (\S+) (\S+)$", text, re.MULTILINE)) == COPIED
