"""The newest intact checkpoint is used; if none is usable, training does not silently start over."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from fpc.core.checkpoint import NoUsableCheckpoint, load_checkpoint, save_checkpoint


def save(folder: Path, *steps: int) -> None:
    for step in steps:
        save_checkpoint(folder, step, {"weight": torch.full((3,), float(step))}, {"episode": step // 10})


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path) is None


def test_the_newest_is_loaded_and_two_are_kept(tmp_path: Path) -> None:
    save(tmp_path, 10, 20, 30)
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.state) == (30, {"episode": 3})
    assert torch.equal(found.tensors["weight"], torch.full((3,), 30.0))
    assert len(list(tmp_path.glob("*.json"))) == len(list(tmp_path.glob("*.safetensors"))) == 2


def test_a_corrupt_checkpoint_falls_back_to_the_previous_one_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 10, 20)
    flip_byte(tmp_path / "checkpoint_000000000020.safetensors")
    with caplog.at_level(logging.INFO, "fpc"):
        found = load_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 10
    assert "checkpoint_000000000020" in caplog.text
    assert "trying the previous one" in caplog.text


def test_only_corrupt_checkpoints_are_an_error_that_names_the_folder(tmp_path: Path) -> None:
    save(tmp_path, 10, 20)
    for path in tmp_path.glob("*.safetensors"):
        flip_byte(path)
    with pytest.raises(NoUsableCheckpoint, match=str(tmp_path)):
        load_checkpoint(tmp_path)
