"""Expert data are read as they were written, and damaged ones are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from fpc.core.files import read_tensors, write_tensors
from fpc.domains.montezuma.environment import MontezumaEnvironment
from fpc.domains.montezuma.expert_frames import PACKED, read_expert, write_expert

from .known_states import options, start


def screens(count: int) -> torch.Tensor:
    """Observations of a game from Room 7 on, uint8 ``[count, 4 * 84 * 84]``."""
    environment = MontezumaEnvironment(options(screen_size=84), (1,))
    found = [environment.reset(options={"start": start(7)})[0]]
    found += [environment.step(number % 6)[0] for number in range(count - 1)]
    return torch.from_numpy(np.stack(found)).reshape(count, -1)


def test_data_are_read_as_written_and_screens_take_a_fraction(tmp_path: Path) -> None:
    path, frames = tmp_path / "expert.safetensors", screens(60)
    data = {"observations": frames, "outputs": torch.rand(60, 18), "games": torch.arange(60)}
    write_expert(path, data)
    found = read_expert(path)
    assert found.keys() == data.keys()
    assert all(torch.equal(found[name], value) for name, value in data.items())
    assert path.stat().st_size < frames.numel() / 15
    first = path.read_bytes()
    write_expert(path, data)
    assert path.read_bytes() == first


def test_damaged_screens_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "expert.safetensors"
    write_expert(path, {"observations": torch.zeros(4, 9, dtype=torch.uint8), "outputs": torch.rand(4, 18)})
    tensors = read_tensors(path)
    write_tensors(path, tensors | {PACKED: tensors[PACKED][:-3].clone()})
    with pytest.raises(ValueError, match=r"cannot be decompressed .*; run collect again"):
        read_expert(path)
    write_tensors(path, tensors | {"outputs": torch.rand(5, 18)})
    with pytest.raises(ValueError, match="36 bytes of screens do not divide by 5 states"):
        read_expert(path)
    write_tensors(path, {"outputs": torch.rand(5, 18), "observations": torch.zeros(5, 9)})
    with pytest.raises(ValueError, match="observations_zlib or outputs are missing"):
        read_expert(path)
