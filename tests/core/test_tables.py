"""The episodes table and its schema."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from fpc.core.tables import EPISODES_SCHEMA, TableSchemaError, episodes_table

ROW = {"probe": "whole", "group": "whole", "episode": 0, "measure": "success", "value": 1.0}
IDENTITY: dict[str, Any] = {
    "domain": "robotic_sequence",
    "experiment": "robotic_sequence",
    "condition": "",
    "method": "vanilla",
    "seed": 3,
    "step": 500,
}


def test_identity_fills_missing_columns() -> None:
    table = episodes_table([ROW, ROW | {"episode": 1, "value": 0.0}], **IDENTITY)
    assert tuple(table.columns) == tuple(EPISODES_SCHEMA)
    full = IDENTITY | ROW | {"start": -1}
    assert table.to_dict("records") == [full, full | {"episode": 1, "value": 0.0}]


def test_columns_of_rows_take_precedence() -> None:
    rows = pd.DataFrame([ROW | {"seed": 7, "condition": "M=30"}])
    table = episodes_table(rows, **IDENTITY)
    assert table[["seed", "condition"]].values.tolist() == [[7, "M=30"]]
    assert "domain" not in rows


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"value": 1}, "value is int64"),
        ({"episode": "0"}, "episode is object"),
        ({"reward": 1.0}, "reward missing or unknown"),
    ],
)
def test_a_wrong_kind_or_column_is_rejected(row: dict[str, Any], message: str) -> None:
    with pytest.raises(TableSchemaError, match=message):
        episodes_table([ROW | row], **IDENTITY)


def test_a_missing_column_is_rejected() -> None:
    with pytest.raises(TableSchemaError, match="step missing"):
        episodes_table([ROW], **{name: value for name, value in IDENTITY.items() if name != "step"})
