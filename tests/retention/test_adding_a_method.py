"""Adding a method takes exactly the files that its how-to names."""

from __future__ import annotations

import filecmp
import re
from pathlib import Path

import pytest

from tests.additions import PARTS, copied_project, dry_run
from tests.workflow.chain import ROOT

COPIED = {
    "examples/methods/l2.py": "src/fpc/retention/l2.py",
    "examples/l2.yaml": "configs/variants/l2.yaml",
}


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout in which the how-to's two files have been copied."""
    return copied_project(tmp_path_factory.mktemp("project"), added=COPIED)


def test_the_how_to_names_these_files() -> None:
    page = (ROOT / "docs" / "how-to" / "add-a-method.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^cp (\S+) (\S+)$", page, re.MULTILINE)) == COPIED
    assert "two files are added and none is edited" in page


def test_two_files_add_the_method_to_the_dag(added: Path) -> None:
    listed = dry_run(added, "laptop", "variant=l2")
    for phase in ("finetune", "evaluate"):
        assert f"results/laptop+l2/robotic_sequence/{phase}/l2/seed_0/manifest.json" in listed
    new, changed = set(), set()
    for path in (path for part in PARTS for path in (added / part).rglob("*") if path.is_file()):
        name = path.relative_to(added).as_posix()
        if "__pycache__" in name:
            continue
        if not (ROOT / name).exists():
            new.add(name)
        elif not filecmp.cmp(path, ROOT / name, shallow=False):
            changed.add(name)
    assert (new, changed) == ({*COPIED.values(), "configs/tiny.yaml"}, set())
