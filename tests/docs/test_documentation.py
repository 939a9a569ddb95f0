"""The documentation matches the code: generated pages, links, and the worked example."""

from __future__ import annotations

import importlib
import re
import runpy
import shutil
from pathlib import Path

import pytest
import torch

from fpc.figures.catalogue import figure_names
from fpc.learners.sac.networks import Actor
from fpc.learners.sac.options import SACOptions
from fpc.retention.interface import RetentionBatch, RetentionContext
from fpc.workflow.loader import load
from fpc.workflow.run_table import rows

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_generated_pages_are_current() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "generated.py"))["pages"]()
    for page, text in pages.items():
        assert page.read_text(encoding="utf-8") == text, f"{page}: run `python docs/generated.py`"


def test_the_table_of_packages_is_current() -> None:
    packages = runpy.run_path(str(ROOT / "docs" / "packages.py"))
    page = ROOT / "docs" / "explanation" / "architecture.md"
    assert page.read_text(encoding="utf-8") == packages["page"](), "run `python docs/packages.py`"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_linked_files_exist(page: Path) -> None:
    elsewhere = ("http", "results/", "../../actions/")  # the last are the repository's pages on its host
    for target in re.findall(r"(?<!!)\[[^\]]*\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8")):
        if not target.startswith(elsewhere):
            assert (page.parent / target).exists(), target


def test_every_figure_and_variant_is_listed() -> None:
    page = (ROOT / "docs" / "how-to" / "one-figure.md").read_text(encoding="utf-8")
    variants = {
        path.stem
        for path in (ROOT / "configs" / "variants").glob("*.yaml")
        if "\nextensions:" not in path.read_text(encoding="utf-8")  # listed by docs/benchmark.md
    }
    names = variants | set(figure_names())
    assert names - set(re.findall(r"`(\w+)`", page)) == set()


def test_two_files_add_the_example_to_the_run_table(project: Path, example_method: str) -> None:
    shutil.copy(ROOT / "examples" / "l2.yaml", project / "configs" / "variants" / "l2.yaml")
    configuration = load("paper", "l2")
    seeds = configuration.experiments["robotic_sequence"].seeds
    found = [row for row in rows(configuration) if row.method == "l2"]
    assert len(found) == 2 * seeds
    assert {row.phase for row in found} == {"finetune", "evaluate"}


def test_penalty_of_the_example(example_method: str) -> None:
    module = importlib.import_module("fpc.retention.l2")
    actor = Actor(10, 4, 2, SACOptions(hidden_sizes=(8, 8)), torch.Generator().manual_seed(0))
    context = RetentionContext(actor, None, None, None, torch.Generator(), run_dimensions=0)
    method = module.L2(module.L2Options(coefficient=0.5))
    method.prepare(context)
    observations = torch.zeros(3, 10)
    batch = RetentionBatch(actor, observations, actor.outputs(observations), update=0)
    assert method.penalty(batch) == 0
    anchored = list(actor.anchored_parameters().values())
    with torch.no_grad():
        for parameter in anchored:
            parameter.add_(0.1)
    # trunk 10 x 8 + 8 and 8 x 8 + 8, LayerNorm 2 x 8: 176 parameters; 0.5 * 176 * 0.1^2 = 0.88
    torch.testing.assert_close(method.penalty(batch), torch.tensor(0.88))
    resumed = module.L2(module.L2Options(coefficient=0.5))
    resumed.load_state_dict(method.state_dict(), context)
    torch.testing.assert_close(resumed.penalty(batch), torch.tensor(0.88))
