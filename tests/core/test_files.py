"""Atomic writes, digests, and safetensors files."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fpc.core.files import (
    atomic_path,
    canonical_json,
    digest_of,
    read_tensors,
    sha256_of,
    write_table,
    write_tensors,
    write_text,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_text(path, "old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half", encoding="utf-8")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("mask", "mode"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_new_files_follow_the_umask(tmp_path: Path, mask: int, mode: int) -> None:
    before = os.umask(mask)
    try:
        write_text(tmp_path / "table.json", "{}")
        write_tensors(tmp_path / "policy.safetensors", {"weight": torch.zeros(2)})
        write_table(tmp_path / "table.parquet", pd.DataFrame({"step": [1]}))
    finally:
        os.umask(before)
    assert {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {
        "table.json": mode,
        "policy.safetensors": mode,
        "table.parquet": mode,
    }


def test_altered_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "policy.safetensors"
    write_tensors(path, {"weight": torch.arange(4.0)})
    digest = sha256_of(path)
    assert torch.equal(read_tensors(path, digest)["weight"], torch.arange(4.0))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its manifest says"):
        read_tensors(path, digest)


def test_a_pickle_is_not_opened_as_weights(tmp_path: Path) -> None:
    marker = tmp_path / "executed"
    path = tmp_path / "policy.safetensors"
    path.write_bytes(f"cos\nsystem\n(S'touch {marker}'\ntR.".encode())
    with pytest.raises(ValueError, match="not a readable safetensors file"):
        read_tensors(path)
    assert not marker.exists()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=5))
def test_digest_does_not_depend_on_the_order_of_keys(value: dict[str, object]) -> None:
    turned = dict(reversed(list(value.items())))
    assert canonical_json(value) == canonical_json(turned)
    assert digest_of(value) == digest_of(turned)
