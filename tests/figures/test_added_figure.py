"""Adding a figure takes only the files that its how-to names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.additions import append_to_last_tuple, code_blocks, copied_project, dry_run, run
from tests.claims.toy_tables import two_states
from tests.workflow.chain import ROOT

PAGE = "add-a-figure.md"
DRAW = """
import sys
import pandas as pd
from fpc.figures import style
from fpc.figures.drawing import load_figure
from fpc.figures.interface import FigureSettings
drawn, settings = load_figure(sys.argv[1]), FigureSettings("tiny", resamples=20)
data = drawn.data({"episodes": pd.read_parquet("episodes.parquet")}, settings)
print(drawn.draw(data, settings).get_suptitle())
"""


def added(folder: Path, name: str, domain: str, scale: str) -> Path:
    """A project with the entry of the how-to and ``name`` in its configuration."""
    project = copied_project(folder, scale)
    figures = project / "src" / "fpc" / "figures"
    (entry,) = code_blocks(PAGE, f"catalogue/{domain}.py")
    append_to_last_tuple(figures / "catalogue" / f"{domain}.py", entry)
    for text in code_blocks(PAGE, f"bespoke/{name}.py"):
        (figures / "bespoke" / f"{name}.py").write_text(text, encoding="utf-8")
    path = project / "configs" / "tiny.yaml"
    text, count = re.subn(
        r"^  names: \[.*\]$", f"  names: [{name}]", path.read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert count == 1
    path.write_text(text, encoding="utf-8")
    return project


def changed_files(project: Path) -> set[str]:
    """Files of the package that differ from this checkout's, or are new."""
    source = project / "src"
    return {
        str(path.relative_to(source / "fpc" / "figures"))
        for path in source.rglob("*.py")
        if not (own := ROOT / "src" / path.relative_to(source)).exists()
        or own.read_bytes() != path.read_bytes()
    }


def test_a_figure_of_a_family_is_an_entry(tmp_path: Path, make_episodes: Callable[..., pd.DataFrame]) -> None:
    project = added(tmp_path, "figure_101", "robotic_sequence", "small")
    assert changed_files(project) == {"catalogue/robotic_sequence.py"}
    printed = dry_run(project)
    (inputs,) = re.findall(r"rule figure:\n +input: (.*)\n +output: .*/figure_101\.svg", printed)
    methods = re.findall(r"robotic_sequence/evaluate/(\w+)/", inputs)
    assert set(methods) == {"behavioral_cloning", "ewc"}
    make_episodes(seeds=2).to_parquet(project / "episodes.parquet")
    printed = run(project, "python", "-c", DRAW, "figure_101")
    assert printed.strip() == "Success on the whole RoboticSequence, BC and EWC alone"


def test_a_figure_without_a_family_needs_one_more_file(tmp_path: Path, made_by_hand: pd.DataFrame) -> None:
    project = added(tmp_path, "figure_102", "two_state_mdp", "tiny")
    assert changed_files(project) == {"catalogue/two_state_mdp.py", "bespoke/figure_102.py"}
    assert "results/tiny/figures/figure_102.svg" in dry_run(project)
    made_by_hand.to_parquet(project / "episodes.parquet")
    printed = run(project, "python", "-c", DRAW, "figure_102")
    assert printed.strip() == "The two-state MDP: theta over fine-tuning"


@pytest.fixture(name="made_by_hand")
def made_by_hand_fixture() -> pd.DataFrame:
    """Episodes of the two-state MDP in both gaps."""
    return two_states()


def test_the_catalogue_imports_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; from fpc.figures.catalogue import catalogue; assert catalogue(); "
        "print(sorted({'matplotlib', 'pandas', 'numpy', 'torch'} & set(sys.modules)))"
    )
    assert run(copied_project(tmp_path, "tiny"), "python", "-c", code).strip() == "[]"
