"""The specification of a REINFORCE run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from fpc.learners.interface import Specification

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

    from fpc.retention.interface import ExpertData, Policy


@dataclass(frozen=True)
class Episodes:
    """B episodes of at most T steps from each of K runs; arrays ``[T, K, B]``."""

    observation: NDArray[np.bool_]  # index of the observation, of which there are two
    action: NDArray[np.bool_]
    reward: NDArray[np.float64]
    active: NDArray[np.bool_]  # False after the episode's end
    outcome: Mapping[str, NDArray[np.float64]]  # measures per episode, [K, B]


class ReinforceOptions(Protocol):
    """The options that REINFORCE reads; a domain's configuration section provides them."""

    @property
    def learning_rate(self) -> float:
        """Step size of stochastic gradient descent."""

    @property
    def gamma(self) -> float:
        """Discount of the returns."""

    @property
    def episodes_per_update(self) -> int:
        """Episodes averaged in one update."""


@dataclass(frozen=True, kw_only=True)
class ReinforceSpecification(Specification):
    """K runs side by side; ``steps`` and ``milestones`` count updates."""

    options: ReinforceOptions
    policy: nn.Module  # a Policy with leading dimension K; trained in place
    observations: Tensor  # the distinct observations [K, 2, D]
    rollout: Callable[[], Episodes]
    skip: Callable[[int], None]  # advance as if rollout had been called this many times
    teacher: Policy | None = None
    expert: ExpertData | None = None
    online_observations: int = 1  # states per run that a method receives at each update
