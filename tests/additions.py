"""A copy of the project and of the package, in which a test adds what a how-to says."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent


def copied_project(folder: Path, scale: str) -> Path:
    """Configuration, workflow and ``src/`` in ``folder``; scale tiny is ``tests/<scale>.yaml``."""
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("configs", "workflow", "src"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    shutil.copy(ROOT / "Snakefile", folder / "Snakefile")
    text = (ROOT / "tests" / f"{scale}.yaml").read_text(encoding="utf-8")
    text = text.replace(f"scale: {scale}", "scale: tiny")
    (folder / "configs" / "tiny.yaml").write_text(text, encoding="utf-8")
    return folder


def run(folder: Path, command: Sequence[str | Path]) -> str:
    """What a command printed that uses the package of the copy.

    Raises:
        AssertionError: it failed.
    """
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / ".cache"), "PYTHONPATH": str(folder / "src")}
    finished = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def dry_run(folder: Path) -> str:
    """What snakemake would do at scale tiny."""
    return run(folder, [BIN / "snakemake", "--cores=1", "--dry-run", "--config", "scale=tiny"])


def code_blocks(page: str, title: str | None = None) -> list[str]:
    """The Python blocks of ``docs/how-to/<page>``; with ``title``, those whose title this is."""
    text = (ROOT / "docs" / "how-to" / page).read_text(encoding="utf-8")
    wanted = r"[^\n]*" if title is None else rf' title="{re.escape(title)}"'
    return re.findall(rf"^```python{wanted}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def append_to_last_tuple(path: Path, item: str) -> None:
    """Add an item to the tuple at the end of a module, which has one element per line."""
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n)\n"), path
    path.write_text(text.removesuffix(")\n") + item.rstrip() + ",\n)\n", encoding="utf-8")
