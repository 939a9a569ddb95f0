"""Adding a method takes exactly the files that its how-to names."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
COPIED = {"examples/l2.py": "src/fpc/retention/l2.py", "examples/l2.yaml": "configs/variants/l2.yaml"}
PARTS = ("configs", "workflow", "src")


@pytest.fixture(scope="module")
def added(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this checkout in which the how-to's two files have been copied."""
    project = tmp_path_factory.mktemp("project")
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
        shutil.copytree(ROOT / part, project / part, symlinks=True, ignore=ignored)
    shutil.copy(ROOT / "Snakefile", project / "Snakefile")
    for source, target in COPIED.items():
        shutil.copy(ROOT / source, project / target)
    return project


def test_the_how_to_names_these_files() -> None:
    page = (ROOT / "docs" / "how-to" / "add-a-method.md").read_text(encoding="utf-8")
    assert dict(re.findall(r"^cp (\S+) (\S+)$", page, re.MULTILINE)) == COPIED
    assert "Two files are added and none is\nedited" in page


def test_two_files_add_the_method_to_the_dag(added: Path) -> None:
    finished = subprocess.run(
        [BIN / "snakemake", "--cores", "1", "-n", "--config", "scale=laptop", "variant=l2"],
        cwd=added,
        env={**os.environ, "PYTHONPATH": str(added / "src"), "XDG_CACHE_HOME": str(added / ".cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    listed = finished.stdout + finished.stderr
    assert finished.returncode == 0, listed[-3000:]
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
    assert (new, changed) == (set(COPIED.values()), set())
