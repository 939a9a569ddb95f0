"""What a run of REINFORCE needs."""

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
    """What K runs of B episodes and at most T steps did; arrays ``[T, K, B]``."""

    observation: NDArray[np.bool_]  # index in the list of two observations
    action: NDArray[np.bool_]
    reward: NDArray[np.float64]
    active: NDArray[np.bool_]  # False after the episode's end
    outcome: Mapping[str, NDArray[np.float64]]  # measures of whole episodes, [K, B]


class ReinforceOptions(Protocol):
    """The options it reads; a domain's section has them."""

    @property
    def learning_rate(self) -> float:
        """Step size of stochastic gradient descent."""

    @property
    def gamma(self) -> float:
        """Discount of the returns."""

    @property
    def episodes_per_update(self) -> int:
        """Episodes that one update averages over."""


@dataclass(frozen=True, kw_only=True)
class ReinforceSpecification(Specification):
    """K runs side by side; ``steps`` and ``milestones`` count updates."""

    options: ReinforceOptions
    policy: nn.Module  # a Policy with leading dimension K; it is trained in place
    observations: Tensor  # the distinct observations [K, 2, D]
    rollout: Callable[[], Episodes]
    skip: Callable[[int], None]  # go on as if rollout had been called so many times
    teacher: Policy | None = None
    expert: ExpertData | None = None
    online_observations: int = 1  # that a method gets of each run at each update
