"""Time of ``fpc audit verify`` on 10,000 artifacts: first, quick and deep audits, as whole processes.

Builds a scale with 5,000 seeds of the two-state MDP in which each run has six small files and a well-formed
manifest; nothing is trained. Prints a markdown table; ``--output`` writes the numbers as JSON.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from fpc.core.files import write_json
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import build, subject
from fpc.lineage.origin import code_of
from fpc.workflow.entry_points import entry_points
from fpc.workflow.loader import load
from fpc.workflow.run_table import parents, rows, section_of

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent
SEEDS, FILES, BYTES = 5000, 6, 2000
SCALE = f"""
scale: many
experiments: {{two_state_mdp: {{seeds: {SEEDS}, seeds_per_run: 1}}}}
figure: {{names: [figure_9]}}
"""


def _entry_points(phase: str, method: str | None) -> list[str]:
    return entry_points(Row("many", phase, "two_state_mdp", method, (0,)), {"domain": "two_state_mdp"})


def publish() -> int:
    """Write files and a manifest for every row but figures, claims and report; return their number."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    history = {"startedOn": now, "finishedOn": now, "attempts": 1, "seconds": 1.0, "steps": 1}
    configuration = load("many")
    runs = [row for row in rows(configuration) if row.name is None]
    code = cache(lambda phase, method: code_of(_entry_points(phase, method)))
    for row in runs:
        row.folder.mkdir(parents=True)
        for number in range(FILES):
            (row.folder / f"table_{number}.parquet").write_bytes(os.urandom(BYTES))
        statement = build(
            run=row.identity,
            section=section_of(configuration, row),
            subjects=subject(row.folder, row.folder.iterdir()),
            parents=[parent.manifest for parent in parents(configuration, row)],
            externals={},
            history=history,
            code=code(row.phase, row.method),
        )
        write_json(row.manifest, statement)
    return len(runs)


def clocked(*words: str) -> float:
    """Seconds of an audit of the runs, which must all pass."""
    before = time.monotonic()
    command = [BIN / "fpc", "audit", "verify", "results/many/two_state_mdp", *words]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        raise SystemExit(finished.stdout[-2000:] + finished.stderr[-2000:])
    return time.monotonic() - before


def main() -> None:
    """Run the benchmark and report it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, help="JSON file for the numbers")
    arguments = parser.parse_args()
    output = arguments.output.resolve() if arguments.output else None
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        shutil.copytree(ROOT / "configs", "configs")
        Path("configs/many.yaml").write_text(SCALE, encoding="utf-8")
        count = publish()
        time.sleep(3)  # the cache does not remember files this new
        found = {"artifacts": count, "first_seconds": clocked(), "quick_seconds": clocked()}
        found["deep_seconds"] = clocked("--deep")
    print(f"| {count:,} artifacts of {FILES} files | measured |")
    print("|---|---|")
    for audit in ("first", "quick", "deep"):
        print(f"| {audit} | {found[f'{audit}_seconds']:.1f} s |")
    if output is not None:
        write_json(output, found)


if __name__ == "__main__":
    main()
