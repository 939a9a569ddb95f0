"""Shared fixtures: a project folder with this checkout's configuration and workflow, and tiny scales."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fpc.retention
from fpc import extensions
from fpc.retention import registry

ROOT = Path(__file__).resolve().parents[1]
os.environ["MPLBACKEND"] = "agg"  # a notebook's kernel may name one that is not installed here
# A shell starts what it runs in the background with Ctrl-C ignored, nohup with SIGHUP ignored; programs that
# tests start would inherit that, and are asked to stop by these signals.
for number, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, usual)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh folder with configs/, examples/, Snakefile and workflow/, as the current directory."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    shutil.copytree(ROOT / "workflow", tmp_path / "workflow", symlinks=True)
    shutil.copy(ROOT / "Snakefile", tmp_path / "Snakefile")
    shutil.copytree(ROOT / "examples", tmp_path / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "tests" / "tiny.yaml", tmp_path / "configs" / "tiny.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def example_method(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of the how-to's method; all examples' files count as copied to where methods are."""
    monkeypatch.setattr(
        fpc.retention, "__path__", [*fpc.retention.__path__, str(ROOT / "examples" / "methods")]
    )
    registry._methods_with.cache_clear()
    importlib.invalidate_caches()
    yield "l2"
    monkeypatch.undo()
    registry._methods_with.cache_clear()


@pytest.fixture(autouse=True)
def no_extensions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Methods and domains that a test puts into use are forgotten after it."""
    monkeypatch.setenv(extensions.VARIABLE, "")


@pytest.fixture(autouse=True)
def subnormal_numbers() -> Iterator[None]:
    """Learners flush subnormal numbers for speed, for their whole process; other tests need them."""
    yield
    if (torch := sys.modules.get("torch")) is not None:
        torch.set_flush_denormal(False)


# Files that take minutes; started first, they do not make the others wait at the end.
LONGEST = ("tests/slurm/test_slurm.py", "tests/crash/test_kill_matrix.py", "tests/workflow/test_temple.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files first."""
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.nodeid.split("::")[0], len(order)))
