"""dvc.yaml holds the weights of every run of the committed scale, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fpc.config.loader import load
from fpc.table import rows

ROOT = Path(__file__).resolve().parents[2]


def test_stages_cover_the_run_table() -> None:
    script = (
        "import json; from dvc.repo import Repo; stages = Repo('.').index.stages;"
        "print(json.dumps([[out.fs_path, out.persist] for stage in stages for out in stage.outs]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    outs = {Path(path).relative_to(ROOT): persist for path, persist in json.loads(found.stdout)}
    assert all(outs.values()), "every output must be persist: true, or `dvc repro` deletes it first"
    table = {row.folder: row for row in rows(load("laptop", folder=ROOT / "configs"))}
    holding = {folder for folder, row in table.items() if row.phase in ("pretrain", "collect", "finetune")}
    assert {path.parent for path in outs} == holding
