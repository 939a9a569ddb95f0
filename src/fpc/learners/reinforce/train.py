"""REINFORCE (Williams 1992) for many small runs side by side, with two actions and few observations.

Where observations are few, the gradient needs only the summed returns of each observation and
action, so the policy is evaluated there and not at every step: exact, and fast.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from fpc.core.checkpoint import load_checkpoint, save_checkpoint
from fpc.retention.interface import RetentionBatch, RetentionContext, RetentionMethod

if TYPE_CHECKING:
    from torch import Tensor

    from fpc.retention.interface import Policy

Array = NDArray[np.float64]
RETENTION = "retention."
LOG = "log."


@dataclass(frozen=True)
class Episodes:
    """What K runs of B episodes and at most T steps did; arrays ``[T, K, B]``."""

    observation: NDArray[np.bool_]  # place in the list of two observations
    action: NDArray[np.bool_]
    reward: Array
    active: NDArray[np.bool_]  # False after the episode's end
    outcome: Mapping[str, Array]  # measures of whole episodes, [K, B]


class Settings(Protocol):
    """What the learner must be told."""

    @property
    def learning_rate(self) -> float:
        """Step size of stochastic gradient descent."""

    @property
    def gamma(self) -> float:
        """Discount of the returns."""

    @property
    def episodes_per_update(self) -> int:
        """Episodes that one update averages over."""


@dataclass(frozen=True)
class Training:
    """Everything a training run consists of."""

    policy: torch.nn.Module
    observations: Tensor  # the distinct observations [K, 2, D]
    rollout: Callable[[], Episodes]
    skip: Callable[[int], None]  # go on as if rollout had been called so many times
    settings: Settings
    updates: int
    milestones: frozenset[int]
    publish: Callable[[int], None]  # called at each milestone, with the update
    report: Callable[[int, Mapping[str, float]], None]
    state: Path
    method: RetentionMethod
    context: RetentionContext
    online_observations: int = 1


def returns_to_go(reward: Array, gamma: float) -> Array:
    """``G_t = r_t + gamma G_{t+1}`` along the first axis; same shape as ``reward`` ``[T, ...]``."""
    returns = np.empty_like(reward)
    following = np.zeros_like(reward[0])
    for step in range(len(reward) - 1, -1, -1):
        following = reward[step] + gamma * following
        returns[step] = following
    return returns


def summed_returns(episodes: Episodes, gamma: float) -> Array:
    """Returns summed over the steps of each observation and action, ``[K, 2, 2]`` (axes in that order)."""
    returns = returns_to_go(episodes.reward, gamma)  # 0 after the end: all later rewards are
    second = returns * episodes.observation
    total, total_second = _run_sum(returns), _run_sum(second)
    action, action_second = _run_sum(returns * episodes.action), _run_sum(second * episodes.action)
    by_action = np.stack([action - action_second, action_second], axis=1)
    by_observation = np.stack([total - total_second, total_second], axis=1)
    return np.stack([by_observation - by_action, by_action], axis=2)


def _run_sum(values: NDArray[Any]) -> Array:
    """Sum of ``[T, K, B]`` over T, then B: many times faster than over both axes at once."""
    total: Array = values.sum(axis=0).sum(axis=-1)
    return total


def policy_gradient_loss(policy: Policy, observations: Tensor, returns: Tensor, episodes: int) -> Tensor:
    """``-(1/B) sum_b sum_t G_t log pi(a_t | o_t)`` of each run, ``[K]``.

    Args:
        policy: the policy that acted.
        observations: the distinct observations ``[K, 2, D]``.
        returns: ``summed_returns``, ``[K, 2, 2]``.
        episodes: B.
    """
    distribution = policy.distribution(policy.outputs(observations))
    shape = observations.shape[:-1]
    choices = [distribution.log_prob(observations.new_full(shape, float(action))) for action in (0, 1)]
    return -(torch.stack(choices, dim=-1) * returns).sum(dim=(-2, -1)) / episodes


def visited(episodes: Episodes, observations: Tensor, count: int) -> Tensor:
    """``count`` observations of each run, in the shares in which its states were visited, ``[K, count, D]``.

    Systematic resampling at the middles of ``count`` equal parts: no randomness, an error of at most
    ``1 / (2 count)`` in a share. An episode that ended early adds as many states as it had steps.
    """
    share = _run_sum(episodes.active & episodes.observation) / _run_sum(episodes.active)
    middles = (np.arange(count) + 0.5) / count
    second = torch.from_numpy(middles[None, :] > 1 - share[:, None]).long()
    return observations.gather(-2, second.unsqueeze(-1).expand(-1, -1, observations.shape[-1]))


def train(training: Training) -> dict[str, Array]:
    """Train to ``training.updates``, going on from the newest checkpoint where there is one.

    A checkpoint is written at each milestone; a resumed run ends with the same bits.

    Returns:
        Means over each update's episodes, ``[updates, K]`` by name.
    """
    first, logs = _begin(training)
    optimiser = torch.optim.SGD(training.policy.parameters(), lr=training.settings.learning_rate)
    if first == 0 and 0 in training.milestones:
        training.publish(0)
    for update in range(first, training.updates):
        episodes = training.rollout()
        loss = _loss(training, episodes, update)
        optimiser.zero_grad(set_to_none=True)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        for name, values in episodes.outcome.items():
            if name not in logs:
                logs[name] = np.zeros((training.updates, values.shape[0]))
            logs[name][update] = values.mean(axis=1)
        done = update + 1
        if done in training.milestones:
            training.publish(done)
            _save(training, done, logs)
        training.report(done, {name: float(values[update].mean()) for name, values in logs.items()})
    return logs


def _loss(training: Training, episodes: Episodes, update: int) -> Tensor:
    """REINFORCE's loss plus the method's term, ``[K]``."""
    policy: Policy = training.policy  # type: ignore[assignment]
    settings = training.settings
    returns = torch.from_numpy(summed_returns(episodes, settings.gamma))
    loss = policy_gradient_loss(policy, training.observations, returns, settings.episodes_per_update)
    online = visited(episodes, training.observations, training.online_observations)
    batch = RetentionBatch(policy, online, policy.outputs(online), update)
    penalty = training.method.penalty(batch)
    return loss if penalty is None else loss + penalty


def _begin(training: Training) -> tuple[int, dict[str, Array]]:
    """First update and logs so far; the method is prepared, or restored with the policy."""
    checkpoint = load_checkpoint(training.state)
    if checkpoint is None:
        training.method.prepare(training.context)
        return 0, {}
    groups: dict[str, dict[str, Tensor]] = {RETENTION: {}, LOG: {}, "": {}}
    for name, value in checkpoint.tensors.items():
        prefix = next(prefix for prefix in groups if name.startswith(prefix))
        groups[prefix][name.removeprefix(prefix)] = value
    training.policy.load_state_dict(groups[""])
    training.method.load_state_dict(groups[RETENTION], training.context)
    training.skip(checkpoint.step)
    logs = {}
    for name, value in groups[LOG].items():
        logs[name] = np.zeros((training.updates, value.shape[1]))
        logs[name][: len(value)] = value.numpy()
    return checkpoint.step, logs


def _save(training: Training, update: int, logs: Mapping[str, Array]) -> None:
    tensors = dict(training.policy.state_dict())
    tensors |= {RETENTION + name: value for name, value in training.method.state_dict().items()}
    tensors |= {LOG + name: torch.from_numpy(values[:update].copy()) for name, values in logs.items()}
    save_checkpoint(training.state, update, tensors, {})
