"""Seconds to build the DAG of the paper scale: a dry run as a whole process, median of five."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    snakemake = Path(sys.executable).parent / "snakemake"
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("configs", "workflow"):
            shutil.copytree(ROOT / name, project / name, symlinks=True)
        shutil.copy(ROOT / "Snakefile", project / "Snakefile")
        command = [snakemake, "--cores", "2", "--dry-run", "--quiet", "--config", "scale=paper"]
        seconds = []
        for _ in range(6):
            started = time.monotonic()
            subprocess.run(command, cwd=project, check=True, capture_output=True)
            seconds.append(time.monotonic() - started)
    median = statistics.median(seconds[1:])  # the first run writes the section files
    print(f"| DAG of paper scale, whole process | {median:.2f} s |")
    if len(sys.argv) == 3 and sys.argv[1] == "--output":
        Path(sys.argv[2]).write_text(json.dumps({"dag_build_seconds": seconds}) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
