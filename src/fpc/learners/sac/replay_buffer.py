"""A ring of transitions in one packed tensor, so that drawing a batch is a single gather."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fpc.core.errors import ConfigError

FIELDS = ("observation", "action", "reward", "next_observation", "terminated")


class Batch(NamedTuple):
    """Transitions, float32: observations ``[N, D]``, actions ``[N, A]``, the others ``[N]``."""

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    next_observations: Tensor
    terminals: Tensor


class ReplayBuffer:
    """Rows ``[observation | next_observation | action | reward | terminal]``; protected rows first."""

    def __init__(self, capacity: int, observation_size: int, action_size: int) -> None:
        self.capacity = capacity
        self.observation_size, self.action_size = observation_size, action_size
        self.rows = torch.zeros(capacity, 2 * observation_size + action_size + 2)
        self._numpy: NDArray[np.float32] = self.rows.numpy()
        self.protected = 0
        self.share: float | None = None
        self.size = 0  # filled rows, protected ones included
        self.position = 0  # where the next transition goes

    def protect(self, transitions: Mapping[str, Tensor], share: float | None) -> None:
        """Hold ``transitions`` for good, before any other is added.

        ``transitions``: observation ``[N, D]``, action ``[N, A]``, reward, next_observation,
        terminated (whether the value function ends there). ``share`` of each batch comes from them;
        None draws uniformly from everything held.

        Raises:
            ValueError: the buffer is in use, a field is missing, or nothing would be left to fill.
        """
        if share is not None and not 0 < share < 1:
            raise ValueError(f"the protected share of a batch is {share}; it must lie between 0 and 1")
        self.protected = self.begin_with(transitions)
        self.share = share if self.protected else None

    def begin_with(self, transitions: Mapping[str, Tensor]) -> int:
        """Fill an empty buffer with ``transitions``, as if they had been added one by one; their number.

        Raises:
            ValueError: as for :meth:`protect`.
        """
        if missing := [name for name in FIELDS if name not in transitions]:
            raise ValueError(f"transitions of pi* lack {', '.join(missing)}; needed: {', '.join(FIELDS)}")
        count = len(transitions["observation"])
        if self.size:
            raise ValueError("transitions of pi* must be added before the replay buffer is filled")
        if count >= self.capacity:
            raise ConfigError(
                f"{count} transitions of pi* leave no room in a replay buffer of {self.capacity}; "
                "raise buffer_size or lower the memory of the method"
            )
        self.rows[:count] = torch.cat(
            (
                transitions["observation"],
                transitions["next_observation"],
                transitions["action"],
                transitions["reward"].reshape(-1, 1),
                transitions["terminated"].reshape(-1, 1).float(),
            ),
            -1,
        )
        self.size = self.position = count
        return count

    def add(
        self,
        observation: NDArray[np.float32],
        action: NDArray[np.float32],
        reward: float,
        next_observation: NDArray[np.float32],
        terminal: bool,
    ) -> None:
        """Add one transition, in place of the oldest unprotected one when full."""
        row, width = self._numpy[self.position], self.observation_size
        row[:width] = observation
        row[width : 2 * width] = next_observation
        row[2 * width : -2] = action
        row[-2] = reward
        row[-1] = terminal
        self.size = max(self.size, self.position + 1)
        self.position += 1
        if self.position == self.capacity:
            self.position = self.protected

    def indices(self, size: int, generator: torch.Generator) -> Tensor:
        """Rows of one batch, int64 ``[size]``, drawn with replacement."""
        free = self.size - self.protected
        if self.share is None or free == 0:
            return torch.randint(self.size, (size,), generator=generator)
        kept = round(self.share * size)
        return torch.cat(
            (
                torch.randint(self.protected, (kept,), generator=generator),
                torch.randint(self.protected, self.size, (size - kept,), generator=generator),
            )
        )

    def sample(self, size: int, generator: torch.Generator) -> Batch:
        """One batch of ``size`` transitions."""
        rows, width = self.rows.index_select(0, self.indices(size, generator)), self.observation_size
        return Batch(
            observations=rows[:, :width],
            actions=rows[:, 2 * width : -2],
            rewards=rows[:, -2],
            next_observations=rows[:, width : 2 * width],
            terminals=rows[:, -1],
        )

    def tensors(self) -> dict[str, Tensor]:
        """The filled rows, for a checkpoint."""
        return {"rows": self.rows[: self.size]}

    def state(self) -> dict[str, float | int | None]:
        """Counters, for a checkpoint."""
        return {"protected": self.protected, "share": self.share, "position": self.position}

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, float | int | None]) -> None:
        """Back to what :meth:`tensors` and :meth:`state` gave."""
        self.size = len(tensors["rows"])
        self.rows[: self.size] = tensors["rows"]
        self.protected = int(state["protected"] or 0)
        self.position = int(state["position"] or 0)
        self.share = state["share"]
