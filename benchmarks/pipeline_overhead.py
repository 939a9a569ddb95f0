"""Overhead of a finished scale, from its manifests and Snakemake's benchmark files.

Work is the time inside the phase, which the manifests record. The rest of a job's wall time is Python's
start-up, imports, checking parents, hashing and publishing; the rest of the whole run is Snakemake's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pandas as pd

from fpc.lineage.artifact import RESULTS
from fpc.lineage.manifest import ManifestError, read
from fpc.workflow.loader import load
from fpc.workflow.run_table import rows


def main() -> None:
    scale = sys.argv[1] if len(sys.argv) > 1 and not sys.argv[1].startswith("--") else "laptop"
    found = []
    for row in rows(load(scale)):
        parts = [row.experiment, row.phase, row.method]
        name = row.manifest.parent.name if row.experiment else row.name
        folder = RESULTS / ".benchmarks" / scale / Path(*[part for part in parts if part and row.experiment])
        if row.phase == "figure":
            folder = RESULTS / ".benchmarks" / scale / "figure"
        file = folder / f"{name}.tsv"
        try:
            work = float(read(row.manifest).details["metadata"]["seconds"])
            wall = float(pd.read_csv(file, sep="\t")["s"].iloc[0])
        except (OSError, ManifestError, KeyError):
            continue
        found.append({"phase": row.phase, "work": work, "wall": wall})
    if not found:
        raise SystemExit(f"no finished jobs of scale {scale} with benchmark files; run the scale first")
    table = pd.DataFrame(found).groupby("phase").sum()
    total = table.sum()
    around = 1 - total["work"] / total["wall"]
    print("| phase | work, s | job, s | overhead |\n|---|---|---|---|")
    for phase, line in table.iterrows():
        share = 1 - line["work"] / line["wall"]
        print(f"| {phase} | {line['work']:.0f} | {line['wall']:.0f} | {share:.1%} |")
    print(f"| all | {total['work']:.0f} | {total['wall']:.0f} | {around:.1%} |")
    if "--output" in sys.argv:
        phases = table.to_dict("index")
        content = {"scale": scale, "around": around, "jobs": len(found), "phases": phases}
        Path(sys.argv[sys.argv.index("--output") + 1]).write_text(json.dumps(content, indent=2) + "\n")


if __name__ == "__main__":
    main()
