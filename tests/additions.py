"""A copy of the project and of the package, in which a test adds what a how-to says."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.workflow.chain import BIN, ROOT, environment

PARTS = ("configs", "workflow", "src")


def copied_project(folder: Path, scale: str = "tiny", added: Mapping[str, str] | None = None) -> Path:
    """Configuration, workflow and ``src/`` in ``folder``; scale tiny is ``tests/<scale>.yaml``.

    Args:
        folder: an empty folder.
        scale: a scale of the tests, which is called tiny in the copy.
        added: files of this checkout and their paths in the copy, which are new there.
    """
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in PARTS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=ignored)
    for name in ("Snakefile", "pyproject.toml", "requirements.lock"):
        shutil.copy(ROOT / name, folder / name)
    text = (ROOT / "tests" / f"{scale}.yaml").read_text(encoding="utf-8")
    text = text.replace(f"scale: {scale}", "scale: tiny")
    (folder / "configs" / "tiny.yaml").write_text(text, encoding="utf-8")
    for source, target in (added or {}).items():
        assert not (folder / target).exists()
        (folder / target).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / source, folder / target)
    return folder


def finished(folder: Path, command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of this environment that used the package of the copy.

    Raises:
        AssertionError: it failed.
    """
    process = subprocess.run(
        [BIN / command, *arguments],
        cwd=folder,
        env=environment(folder, folder / "src"),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, (process.stdout + process.stderr)[-6000:]
    return process


def run(folder: Path, command: str, *arguments: str) -> str:
    """Standard output of ``finished``."""
    return finished(folder, command, *arguments).stdout


def dry_run(folder: Path, scale: str = "tiny", *variant: str) -> str:
    """What snakemake would do."""
    process = finished(folder, "snakemake", "--cores=1", "--dry-run", "--config", f"scale={scale}", *variant)
    return process.stdout + process.stderr


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
