"""The sampler's state in serial mode: games in progress, LSTM states and all random number generators.

Sample Factory starts new games after a restart, so a resumed run would differ from an uninterrupted one. In
serial mode everything runs in one process and the sampler is idle between two batches: then the games are
recorded (seed and actions), and after a restart they are replayed to the same position.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sample_factory.algo.sampling.rollout_worker import RolloutWorker
from sample_factory.algo.sampling.sampler import SerialSampler
from torch import Tensor

from fpc.core.checkpoint import selected
from fpc.core.errors import DataError


class ResumableRolloutWorker(RolloutWorker):  # type: ignore[misc]
    """Restores its environments after they are created, before the first action."""

    pending: tuple[Mapping[str, Tensor], Mapping[str, Any]] | None = None
    failure: BaseException | None = None

    def _maybe_send_policy_request(self, runner: Any) -> None:
        if self.pending is not None:
            (tensors, state), self.pending = self.pending, None
            try:
                restore(self.env_runners, tensors, state)
            except ValueError as error:
                self.failure = error
                raise
        super()._maybe_send_policy_request(runner)


class ResumableSampler(SerialSampler):  # type: ignore[misc]
    """A serial sampler with resumable rollout workers."""

    def _make_rollout_worker(self, event_loop: Any, worker_idx: int) -> ResumableRolloutWorker:
        return ResumableRolloutWorker(
            event_loop, worker_idx, self.buffer_mgr, self.inference_queues, self.cfg, self.env_info
        )


def _actors(env_runners: Any) -> list[Any]:
    return [states[0] for runner in env_runners for states in runner.actor_states]


def capture(sampler: ResumableSampler) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Everything ``restore`` needs, as tensors and JSON values; call it only between two batches."""
    actors = _actors(sampler.rollout_workers[0].env_runners)
    tensors = {"rnn_states": torch.stack([torch.as_tensor(actor.last_rnn_state) for actor in actors])}
    games = []
    for index, actor in enumerate(actors):
        snapshot = dict(actor.env.unwrapped.snapshot())
        for name in [name for name, value in snapshot.items() if isinstance(value, np.ndarray)]:
            tensors[f"environment.{index}.{name}"] = torch.from_numpy(snapshot.pop(name).copy())
        games.append(
            {
                "snapshot": snapshot,
                "reward": float(actor.last_episode_reward),
                "duration": float(actor.last_episode_duration),
                "trajectories": actor.num_trajectories,
            }
        )
    tensors["torch"] = torch.get_rng_state()
    algorithm, key, position, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 - Sample Factory uses it
    tensors["numpy"] = torch.from_numpy(np.asarray(key).copy())
    version, words, gauss_next = random.getstate()
    return tensors, {
        "games": games,
        "numpy": [algorithm, position, has_gauss, gauss],
        "python": [version, list(words), gauss_next],
    }


def restore(env_runners: Any, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
    """Restore what ``capture`` recorded; games are replayed from their seeds.

    Raises:
        DataError: the number of environments changed, or a replayed game diverges.
    """
    actors = _actors(env_runners)
    if len(actors) != len(state["games"]):
        raise DataError(
            f"the checkpoint has {len(state['games'])} environments, the configuration {len(actors)}"
        )
    for index, (actor, game) in enumerate(zip(actors, state["games"], strict=True)):
        held = selected(tensors, f"environment.{index}.")
        arrays = {name: value.numpy() for name, value in held.items()}
        observation = actor.env.unwrapped.restore({**game["snapshot"], **arrays})
        # Sample Factory wraps single observations in a dictionary.
        actor.last_obs = observation if isinstance(observation, Mapping) else {"obs": observation}
        actor.last_rnn_state[:] = tensors["rnn_states"][index].numpy()
        actor.last_episode_reward, actor.last_episode_duration = game["reward"], game["duration"]
        actor.num_trajectories = game["trajectories"]
    torch.set_rng_state(tensors["torch"])
    algorithm, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((algorithm, tensors["numpy"].numpy(), position, has_gauss, gauss))  # noqa: NPY002
    version, words, gauss_next = state["python"]
    random.setstate((version, tuple(words), gauss_next))
