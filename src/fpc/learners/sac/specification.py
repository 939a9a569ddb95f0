"""What a run of Soft Actor-Critic needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fpc.learners.interface import Specification
from fpc.learners.sac.options import SACOptions

if TYPE_CHECKING:
    import gymnasium
    from torch import Tensor

    from fpc.learners.interface import Weights
    from fpc.retention.interface import ExpertData


@dataclass(frozen=True, kw_only=True)
class SACSpecification(Specification):
    """One run of Soft Actor-Critic.

    Observations are float32 ``[D]`` and end in the one-hot of ``stages`` entries, actions lie in [-1, 1].
    ``info["value_terminal"]`` (default: terminated) tells whether the value function ends with a
    transition; ``info["success"]`` and ``info["stages_solved"]`` are read at an episode's end, and
    ``info[VISITED]``, where there is one, after every reset and step.
    """

    environment: gymnasium.Env[Any, Any]
    options: SACOptions
    stages: int
    initial_policy: Weights | None = None  # without it from a new initialisation, with random actions first
    initial_critic: Weights | None = None
    # Stages whose temperature is the initial critic's; the others begin with `options.initial_temperature`.
    known_stages: tuple[int, ...] = ()
    initial_transitions: Mapping[str, Tensor] | None = (
        None  # what an otherwise empty replay buffer begins with
    )
    # Options for the environment's reset at the start of an episode, by its number.
    episode_options: Callable[[int], dict[str, Any]] | None = None
    teacher: Weights | None = None  # pi*'s actor
    expert: ExpertData | None = None  # with batches on ``device``
    stop: Callable[[], bool] | None = None  # asked between episodes; True ends training early
