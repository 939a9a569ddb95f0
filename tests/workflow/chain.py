"""Runs the whole chain of a test scale in its own project folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def environment(project: Path, source: Path | None = None) -> dict[str, str]:
    """Environment of a command in ``project``, with this checkout's package or the one in ``source``."""
    paths = [str(source), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    package = {} if source is None else {"PYTHONPATH": os.pathsep.join(filter(None, paths))}
    return {**os.environ, "XDG_CACHE_HOME": str(project / ".cache"), "OMP_NUM_THREADS": "1", **package}


def command_in(
    project: Path, command: str, *words: str | Path, timeout: float = 300, **variables: str
) -> subprocess.CompletedProcess[str]:
    """A command of the environment (fpc, snakemake) in ``project``, whatever its exit code."""
    return subprocess.run(
        [BIN / command, *words],
        cwd=project,
        env=environment(project) | variables,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def copy_project(project: Path, scale: str) -> None:
    """Configuration and workflow of this checkout, with the scale ``tests/<scale>.yaml``."""
    for name in ("configs", "workflow"):
        shutil.copytree(ROOT / name, project / name, symlinks=True)
    shutil.copy(ROOT / "Snakefile", project / "Snakefile")
    shutil.copy(ROOT / "tests" / f"{scale}.yaml", project / "configs" / f"{scale}.yaml")


def run_chain(project: Path, scale: str) -> Path:
    """``results/<scale>`` after Snakemake on two cores; the scale is ``tests/<scale>.yaml``."""
    copy_project(project, scale)
    made = command_in(project, "snakemake", "--cores", "2", "--config", f"scale={scale}", timeout=500)
    logs = "\n".join(path.read_text() for path in (project / "results" / ".logs").rglob("*.log"))
    assert made.returncode == 0, made.stderr[-3000:] + logs[-3000:]
    return project / "results" / scale
