"""The page on tables: its short examples run, and the tables are plain parquet that any program can read."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.workflow.chain import ROOT

from fpc.core.tables import EPISODES_SCHEMA

PAGE = (ROOT / "docs" / "how-to" / "read-the-tables.md").read_text(encoding="utf-8")
TABLES = sorted((ROOT / "results" / "laptop").rglob("*.parquet"))
PLAIN = {pa.string(), pa.int64(), pa.float64(), pa.float32(), pa.bool_(), pa.binary()}


def block(language: str) -> str:
    """The first example in a language: three lines, apart from imports."""
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found, language
    lines = [line for line in found[1].splitlines() if line and not re.match("import |from ", line)]
    assert len(lines) == 3
    return found[1]


def rates() -> pd.Series[float]:
    """What the examples print: success rate by method, probe and step."""
    tables = [pq.read_table(path) for path in TABLES if is_episodes(path, "robotic_sequence")]
    rows = pa.concat_tables(tables).to_pandas()
    rates: pd.Series[float] = (
        rows[rows["measure"] == "success"].groupby(["method", "probe", "step"])["value"].mean()
    )
    assert len(rates) > 100
    return rates


def is_episodes(path: Path, experiment: str) -> bool:
    return path.name == "episodes.parquet" and f"laptop/{experiment}/evaluate" in path.as_posix()


def test_three_lines_of_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    names: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(block("python"), names)
    pd.testing.assert_series_equal(names["success"], rates())
    assert "behavioral_cloning" in printed.getvalue()


def has_arrow_in_r() -> bool:
    """Whether there is an R with the package arrow."""
    if (program := shutil.which("Rscript")) is None:
        return False
    return subprocess.run([program, "-e", "library(arrow)"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_arrow_in_r(), reason="needs R with the package arrow")
def test_three_lines_of_r(tmp_path: Path) -> None:
    code = block("r") + f'write.csv(success, "{tmp_path / "rates.csv"}", row.names = FALSE)\n'
    subprocess.run(["Rscript", "-e", code], cwd=ROOT, check=True, timeout=120)
    found = pd.read_csv(tmp_path / "rates.csv").set_index(["method", "probe", "step"])["value"]
    pd.testing.assert_series_equal(found.sort_index(), rates())


def test_tables_have_plain_types_and_need_no_pandas() -> None:
    assert len(TABLES) > 100
    for path in TABLES:
        table = pq.read_table(path)
        assert set(table.schema.types) <= PLAIN, path
        assert not [name for name in table.column_names if name.startswith("__")], (
            f"{path}: an index of pandas"
        )
        plain = table.replace_schema_metadata(None)
        pd.testing.assert_frame_equal(plain.to_pandas(), pd.read_parquet(path))


def test_episodes_are_tidy() -> None:
    """One value per row, identified by the other columns, which are the documented ones."""
    for path in TABLES:
        if path.name == "episodes.parquet":
            table = pq.read_table(path)
            assert table.column_names == [name for name in EPISODES_SCHEMA if name in table.column_names], (
                path
            )
            assert "value" in table.column_names
            keys = table.drop_columns(["value"])
            assert keys.group_by(keys.column_names).aggregate([]).num_rows == table.num_rows, path
