"""A project whose workflow runs on the tests' cluster."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.workflow.chain import BIN, ROOT, environment


def prepared(folder: Path) -> Path:
    """A project like a fresh clone, with the link through which ``--profile slurm`` is found."""
    for name in ("configs", "workflow"):
        shutil.copytree(ROOT / name, folder / name, symlinks=True)
    shutil.copy(ROOT / "Snakefile", folder)
    for file in (ROOT / "tests" / "slurm").glob("*.yaml"):
        shutil.copy(file, folder / "configs")
    (folder / "slurm").symlink_to("workflow/profiles/slurm")
    return folder


def snakemake(project: Path, *arguments: str, scale: str = "queue", **extra: str) -> subprocess.Popen[bytes]:
    """Prints to ``driver.txt``; ``extra`` are environment variables."""
    settings = environment(project) | {"FPC_CHECKPOINT_SECONDS": "2", "PATH": f"{BIN}:{os.environ['PATH']}"}
    words = [BIN / "snakemake", *arguments, "--config", f"scale={scale}"]
    with (project / "driver.txt").open("w") as file:
        return subprocess.Popen(words, cwd=project, env=settings | extra, stdout=file, stderr=file)


def said(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def wait_for(ready: Callable[[], bool], seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def limit(name: str, value: str) -> None:
    """Set a limit of the account that all jobs here belong to; -1 removes it."""
    said("sacctmgr", "--immediate", "modify", "user", "root", "set", f"{name}={value}")
