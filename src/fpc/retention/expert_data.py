"""The expert data set written by ``collect``, as retention methods read it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from fpc.core.errors import ConfigError, DataError
from fpc.core.files import read_tensors
from fpc.retention.interface import ExpertBatch

if TYPE_CHECKING:
    from torch import Tensor

STATES = ("observations", "outputs")
TRANSITIONS = {
    "observation": "observations",
    "action": "action",
    "reward": "reward",
    "next_observation": "next_observations",
    "terminated": "terminated",
}


class ExpertDataset:
    """States visited by pi* with pi*'s outputs, and transitions if the domain stores them.

    Args:
        tensors: ``observations`` ``[..., N, D]`` and ``outputs`` ``[..., N, P]``, float32; with
            transitions also ``action``, ``reward``, ``next_observations`` and ``terminated``, ``N`` first
            in each (and no leading run dimensions). Others (``stage``) are kept.
        device: where batches of states are put: the policy's. The data themselves stay where they are.

    Raises:
        DataError: a tensor is missing or empty, or the numbers of states differ.
    """

    def __init__(self, tensors: Mapping[str, Tensor], device: torch.device | str = "cpu") -> None:
        if missing := [name for name in STATES if name not in tensors]:
            raise DataError(
                f"expert data lacks {', '.join(missing)}; it contains {', '.join(sorted(tensors))}"
            )
        self.tensors, self.device = dict(tensors), device
        self.size = self.tensors["observations"].shape[-2]
        lengths = {name: value.shape[self._axis(name)] for name, value in self.tensors.items()}
        if self.size == 0 or set(lengths.values()) != {self.size}:
            raise DataError(f"all expert tensors must hold the same number (>= 1) of states, got {lengths}")

    @classmethod
    def read(cls, path: Path, sha256: str | None = None) -> ExpertDataset:
        """Read ``expert.safetensors``.

        Raises:
            DataError: the digest is not ``sha256``, or the content is invalid.
        """
        return cls(read_tensors(path, sha256))

    def _axis(self, name: str) -> int:
        """The dimension of the states."""
        return -2 if name in STATES else 0

    def __len__(self) -> int:
        return self.size

    def sampler(self, size: int, generator: torch.Generator) -> StateSampler:
        """Batches of ``size`` states drawn uniformly with replacement."""
        return StateSampler(self, size, generator)

    def restricted(self, size: int) -> ExpertDataset:
        """The first ``size`` states; states are stored in random order.

        Raises:
            ConfigError: there are fewer than ``size`` states.
        """
        if not 1 <= size <= self.size:
            raise ConfigError(
                f"memory_size is {size}, but the expert data holds {self.size} states: "
                "lower memory_size or collect more"
            )
        first = {name: value.narrow(self._axis(name), 0, size) for name, value in self.tensors.items()}
        return ExpertDataset(first, self.device)

    def on(self, device: torch.device | str) -> ExpertDataset:
        """The same data, with batches of states on ``device``."""
        return ExpertDataset(self.tensors, device)

    def transitions(self) -> Mapping[str, Tensor]:
        """observation, action, reward, next_observation, terminated; ``N`` first in each.

        Raises:
            ValueError: the data set contains only states.
        """
        if missing := [stored for stored in TRANSITIONS.values() if stored not in self.tensors]:
            raise ValueError(f"the expert data contains no transitions: {', '.join(missing)} missing")
        return {name: self.tensors[stored] for name, stored in TRANSITIONS.items()}


class StateSampler:
    """Draws batches with the same indices in every run's data; its only state is the generator's."""

    def __init__(self, data: ExpertDataset, size: int, generator: torch.Generator) -> None:
        self.data, self.size, self.generator = data, size, generator

    def sample(self) -> ExpertBatch:
        """The next batch: observations ``[*runs, size, D]`` and outputs ``[*runs, size, P]``."""
        index = self._index()
        return ExpertBatch(*(self._chosen(name, index) for name in STATES))

    def sample_observations(self) -> Tensor:
        """The observations of ``sample`` alone."""
        return self._chosen("observations", self._index())

    def _chosen(self, name: str, index: Tensor) -> Tensor:
        return self.data.tensors[name].index_select(-2, index).to(self.data.device)

    def _index(self) -> Tensor:
        return torch.randint(len(self.data), (self.size,), generator=self.generator)

    def state_dict(self) -> dict[str, Tensor]:
        """Empty: the draws depend only on the generator."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Nothing to restore."""
