"""Adding a claim takes only its domain's file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from tests.additions import append_to_last_tuple, code_blocks, copied_project, dry_run, run

OUTCOMES = """
import pandas as pd
from fpc.claims.claim import ClaimContext
from fpc.claims.testing import evaluate_claims
tables = {"robotic_sequence": {"episodes": pd.read_parquet("episodes.parquet")}}
for result in evaluate_claims(tables, ClaimContext("tiny", resamples=50)):
    print(result.claim.id, result.outcome)
"""


def test_a_claim_is_one_entry(tmp_path: Path, paper_like: dict[str, dict[str, pd.DataFrame]]) -> None:
    project = copied_project(tmp_path, "small")
    (entry,) = code_blocks("add-a-claim.md")
    append_to_last_tuple(project / "src" / "fpc" / "claims" / "robotic_sequence.py", entry)
    printed = dry_run(project)
    assert "results/tiny/claims.json" in printed
    paper_like["robotic_sequence"]["episodes"].to_parquet(project / "episodes.parquet")
    outcomes = dict(line.split() for line in run(project, "python", "-c", OUTCOMES).splitlines())
    assert outcomes["robotic_ewc_above_scratch"] == "reproduced"
    assert outcomes["robotic_ewc_above_vanilla"] == "reproduced"
