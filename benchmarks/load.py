"""Dry run and ``fpc status`` for all of the paper's experiments with 20 seeds, as whole processes.

Builds a scale from ``paper`` and all variants; nothing is trained. For ``fpc status`` the first 5,000 rows
get a well-formed manifest, and 200 of the others an unfinished run. Prints a markdown table; ``--output``
writes the numbers as JSON.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from fpc.core.files import digest_of, sha256_of, write_json
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import build
from fpc.lineage.origin import Code
from fpc.workflow.loader import load
from fpc.workflow.run import RUNS, run_digest
from fpc.workflow.run_table import parents, rows, section_of

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SEEDS, PUBLISHED, OPEN = 20, 5000, 200


def large_scale(project: Path) -> None:
    """Write ``configs/load.yaml``: every experiment and figure, with the same number of seeds."""
    yaml = YAML(typ="safe", pure=True)
    names = list(yaml.load(ROOT / "configs" / "paper.yaml")["figure"]["names"])
    experiments: dict[str, Any] = {}
    for path in sorted((ROOT / "configs" / "variants").glob("*.yaml")):
        content = yaml.load(path)
        new = {key: value for key, value in (content.get("experiments") or {}).items() if "extends" in value}
        if new:  # other variants modify an existing experiment, here for all figures
            experiments |= new
            names += content["figure"]["names"]
    for name in ("robotic_sequence", "nethack", "montezuma"):
        experiments[name] = {"seeds": SEEDS}
    content = {"scale": "load", "experiments": experiments, "figure": {"names": list(dict.fromkeys(names))}}
    YAML().dump(content, project / "configs" / "load.yaml")


def publish(table: list[Row], configuration: Any) -> None:
    """Write manifests of the first rows, parents first, and unfinished runs of the next ones."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    history = {"startedOn": now, "finishedOn": now, "attempts": 1, "seconds": 1.0, "steps": 1}
    digests: dict[Row, str] = {}
    for row in table[:PUBLISHED]:
        section = section_of(configuration, row)
        statement = build(
            run=row.identity,
            section=section,
            subjects=[],
            parents={parent.manifest: digests[parent] for parent in parents(configuration, row)},
            externals={},
            history=history,
            code=Code(),
        )
        write_json(row.manifest, statement)
        digests[row] = sha256_of(row.manifest)
    for number, row in enumerate(table[PUBLISHED : PUBLISHED + OPEN]):
        made_from = parents(configuration, row)
        name = f"{number:024x}"  # where a parent is not made: state of another configuration or version
        if all(parent in digests for parent in made_from):
            name = run_digest(row, digest_of(section_of(configuration, row)), made_from)
        folder = RUNS / name
        write_json(folder / "run.json", {"row": row.identity, "attempts": [{"started": now, "process": 1}]})
        progress = {"time": now, "step": 5, "total": 9, "steps_per_second": 1.0, "metrics": {"return": 1.0}}
        write_json(folder / "progress.json", progress)


def clocked(*command: str | Path) -> tuple[float, float]:
    """Wall-clock seconds and peak memory in MB of a process."""
    before = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return time.monotonic() - before, usage.ru_maxrss / 1024


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    output = arguments.output.resolve() if arguments.output else None
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder)
        for name in ("configs", "workflow"):
            shutil.copytree(ROOT / name, project / name, symlinks=True)
        shutil.copy(ROOT / "Snakefile", project)
        large_scale(project)
        os.chdir(project)
        configuration = load("load")
        table = rows(configuration)
        dry = (BIN / "snakemake", "--cores", "2", "--dry-run", "--quiet", "--config", "scale=load")
        seconds, memory = clocked(*dry)
        publish(table, configuration)
        status_seconds, _ = clocked(BIN / "fpc", "status", "--scale", "load")
    print("| | measured |")
    print("|---|---|")
    print(f"| jobs | {len(table)} |")
    print(f"| dry run | {seconds:.1f} s, {memory:.0f} MB |")
    finished = min(PUBLISHED, len(table))
    print(f"| fpc status, {finished} finished runs and {OPEN} unfinished | {status_seconds:.2f} s |")
    if output is not None:
        found = {
            "jobs": len(table),
            "dry_run_seconds": seconds,
            "dry_run_mb": memory,
            "status_seconds": status_seconds,
        }
        write_json(output, found)


if __name__ == "__main__":
    main()
