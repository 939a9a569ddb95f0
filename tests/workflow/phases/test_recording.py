"""What a figure published earlier stands in for absent weights only if its rows are unaltered."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from fpc.figures.embedded import SOURCE, content_digest, csv_text, source_of
from fpc.figures.entry import Entry
from fpc.lineage.artifact import Row, command
from fpc.workflow.loader import load
from fpc.workflow.recording import _earlier, recorded

ROW = Row("demo", "figure", name="film_7")


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A figure's CSV in a project, as it is published."""
    monkeypatch.chdir(tmp_path)
    data = pd.DataFrame({"step": [70], "success": [False], "actions": ["00001e05"], "scale": ["demo"]})
    data[SOURCE] = source_of(command(ROW), content_digest(data))
    path = ROW.folder / "film_7.csv"
    path.parent.mkdir(parents=True)
    path.write_text(csv_text(data))
    return path


def test_rows_are_read_as_text(published: Path) -> None:
    rows = _earlier(ROW)
    assert rows is not None
    assert rows.to_dict("records") == [{"step": "70", "success": "False", "actions": "00001e05"}]


def test_altered_or_absent_rows_are_not_used(published: Path) -> None:
    published.write_text(published.read_text().replace("00001e05", "00001e06"))
    assert _earlier(ROW) is None
    published.unlink()
    assert _earlier(ROW) is None


def test_a_table_that_the_domain_does_not_record_is_refused() -> None:
    entry = Entry(name="film_7", title="", caption="", experiments=(), recorded=("actions",))
    with pytest.raises(ValueError, match="film_7: unknown recorded table 'actions'"):
        recorded(load("demo"), ROW, entry, {})
    assert recorded(load("demo"), ROW, Entry(name="figure_7", title="", caption="", experiments=()), {}) == {}
