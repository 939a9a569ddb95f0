"""REINFORCE (Williams 1992) for many small runs side by side, with two actions and two observations.

The gradient needs only the summed returns of each observation and action, so the policy is evaluated once per
observation instead of at every step: exact and fast.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from fpc.core.checkpoint import load_checkpoint, save_checkpoint
from fpc.learners.interface import Trained
from fpc.learners.reinforce.specification import Episodes, ReinforceSpecification
from fpc.retention.interface import RetentionBatch, RetentionContext

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from fpc.retention.interface import Policy

Array = NDArray[np.float64]
Logs = dict[str, Array]  # mean over each update's episodes, [updates, K]
RETENTION = "retention."
LOG = "log."
LOGGED_POINTS = 100  # points per curve in the table


def returns_to_go(reward: Array, gamma: float) -> Array:
    """``G_t = r_t + gamma G_{t+1}`` along the first axis; same shape as ``reward`` ``[T, ...]``."""
    returns = np.empty_like(reward)
    following = np.zeros_like(reward[0])
    for step in range(len(reward) - 1, -1, -1):
        following = reward[step] + gamma * following
        returns[step] = following
    return returns


def summed_returns(episodes: Episodes, gamma: float) -> Array:
    """Returns summed over all steps by observation and action, ``[K, 2, 2]`` (runs, observation, action)."""
    returns = returns_to_go(episodes.reward, gamma)  # 0 after the end, like all later rewards
    second = returns * episodes.observation
    total, total_second = _run_sum(returns), _run_sum(second)
    action, action_second = _run_sum(returns * episodes.action), _run_sum(second * episodes.action)
    by_action = np.stack([action - action_second, action_second], axis=1)
    by_observation = np.stack([total - total_second, total_second], axis=1)
    return np.stack([by_observation - by_action, by_action], axis=2)


def _run_sum(values: NDArray[Any]) -> Array:
    """Sum of ``[T, K, B]`` over T, then B: many times faster than summing over both axes at once."""
    total: Array = values.sum(axis=0).sum(axis=-1)
    return total


def policy_gradient_loss(policy: Policy, observations: Tensor, returns: Tensor, episodes: int) -> Tensor:
    """``-(1/B) sum_b sum_t G_t log pi(a_t | o_t)`` per run, ``[K]``.

    Args:
        policy: the policy that acted.
        observations: the distinct observations ``[K, 2, D]``.
        returns: from ``summed_returns``, ``[K, 2, 2]``.
        episodes: B.
    """
    distribution = policy.distribution(policy.outputs(observations))
    shape = observations.shape[:-1]
    choices = [distribution.log_prob(observations.new_full(shape, float(action))) for action in (0, 1)]
    return -(torch.stack(choices, dim=-1) * returns).sum(dim=(-2, -1)) / episodes


def visited(episodes: Episodes, observations: Tensor, count: int) -> Tensor:
    """``count`` observations per run, in proportion to how often they were visited, ``[K, count, D]``.

    Deterministic systematic resampling at the midpoints of ``count`` equal parts; the error of a share is at
    most ``1 / (2 count)``. Only steps before an episode's end count.
    """
    share = _run_sum(episodes.active & episodes.observation) / _run_sum(episodes.active)
    midpoints = (np.arange(count) + 0.5) / count
    second = torch.from_numpy(midpoints[None, :] > 1 - share[:, None]).long()
    return observations.gather(-2, second.unsqueeze(-1).expand(-1, -1, observations.shape[-1]))


def train(specification: ReinforceSpecification) -> Trained:
    """Train to the last update, continuing from the newest checkpoint if there is one.

    A checkpoint is written at each milestone; a resumed run gives bit-identical results.

    Returns:
        The policy's weights and a table (step: updates, run: index of the run, metric, value).
    """
    first, logs = _begin(specification)
    if first == 0:
        _report_milestone(specification, 0)
    options = specification.options
    optimiser = torch.optim.SGD(specification.policy.parameters(), lr=options.learning_rate)
    for update in range(first, specification.steps):
        episodes = specification.rollout()
        optimiser.zero_grad(set_to_none=True)
        _loss(specification, episodes, update).sum().backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        _record(logs, episodes, update, specification.steps)
        done = update + 1
        if _report_milestone(specification, done):
            _save(specification, done, logs)
        means = {name: float(values[update].mean()) for name, values in logs.items()}
        specification.report(done, specification.steps, **means)
    return Trained(specification.policy.state_dict(), {}, _table(logs))


def _report_milestone(specification: ReinforceSpecification, update: int) -> bool:
    """Pass the weights to ``on_milestone`` if ``update`` is a milestone; return whether it is one."""
    if update not in specification.milestones:
        return False
    if specification.on_milestone is not None:
        specification.on_milestone(update, specification.policy.state_dict(), {})
    return True


def _record(logs: Logs, episodes: Episodes, update: int, updates: int) -> None:
    for name, values in episodes.outcome.items():
        if name not in logs:
            logs[name] = np.zeros((updates, values.shape[0]))
        logs[name][update] = values.mean(axis=1)


def _loss(specification: ReinforceSpecification, episodes: Episodes, update: int) -> Tensor:
    """REINFORCE's loss plus the method's term, ``[K]``."""
    policy: Policy = specification.policy  # type: ignore[assignment]
    observations, options = specification.observations, specification.options
    returns = torch.from_numpy(summed_returns(episodes, options.gamma))
    loss = policy_gradient_loss(policy, observations, returns, options.episodes_per_update)
    if specification.method is None:
        return loss
    online = visited(episodes, observations, specification.online_observations)
    penalty = specification.method.penalty(RetentionBatch(policy, online, policy.outputs(online), update))
    return loss if penalty is None else loss + penalty


def _context(specification: ReinforceSpecification) -> RetentionContext:
    policy: Policy = specification.policy  # type: ignore[assignment]
    rng = torch.Generator().manual_seed(0)
    return RetentionContext(policy, specification.teacher, specification.expert, None, rng, run_dimensions=1)


def _begin(specification: ReinforceSpecification) -> tuple[int, Logs]:
    """The first update and the logs so far; prepares the method, or restores it and the policy."""
    checkpoint, method = load_checkpoint(specification.state), specification.method
    if checkpoint is None:
        if method is not None:
            method.prepare(_context(specification))
        return 0, {}
    groups: dict[str, dict[str, Tensor]] = {RETENTION: {}, LOG: {}, "": {}}
    for name, value in checkpoint.tensors.items():
        prefix = next(prefix for prefix in groups if name.startswith(prefix))
        groups[prefix][name.removeprefix(prefix)] = value
    specification.policy.load_state_dict(groups[""])
    if method is not None:
        method.load_state_dict(groups[RETENTION], _context(specification))
    specification.skip(checkpoint.step)
    logs = {}
    for name, value in groups[LOG].items():
        logs[name] = np.zeros((specification.steps, value.shape[1]))
        logs[name][: len(value)] = value.numpy()
    return checkpoint.step, logs


def _save(specification: ReinforceSpecification, update: int, logs: Logs) -> None:
    tensors = dict(specification.policy.state_dict())
    if specification.method is not None:
        state = specification.method.state_dict()
        tensors |= {RETENTION + name: value for name, value in state.items()}
    tensors |= {LOG + name: torch.from_numpy(values[:update].copy()) for name, values in logs.items()}
    save_checkpoint(specification.state, update, tensors, {})


def _table(logs: Mapping[str, Array]) -> pd.DataFrame:
    """step (first update of a bin), run, metric, value: means over at most ``LOGGED_POINTS`` bins."""
    import pandas as pd

    parts = []
    for metric, values in logs.items():
        edges = np.unique(np.linspace(0, len(values), LOGGED_POINTS + 1).astype(int))
        means = np.add.reduceat(values, edges[:-1], axis=0) / np.diff(edges)[:, None]
        steps, runs = np.indices(means.shape)
        columns = {"step": edges[:-1][steps.ravel()], "run": runs.ravel()}
        parts.append(pd.DataFrame({**columns, "metric": metric, "value": means.ravel()}))
    return pd.concat(parts, ignore_index=True)
