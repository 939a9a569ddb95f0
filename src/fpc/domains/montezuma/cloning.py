"""Behavioural cloning of the expert's demonstrations, from the room on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from fpc.core.device import Device
from fpc.core.errors import ConfigError
from fpc.core.metric_log import MetricLog
from fpc.domains.montezuma.config import CloneOptions, MontezumaExperiment
from fpc.domains.montezuma.environment import MontezumaEnvironment
from fpc.domains.montezuma.network import MontezumaNetwork
from fpc.domains.montezuma.start_states import Demonstration, read_demonstrations

_MEASURE_EVERY = 50


def clone(
    experiment: MontezumaExperiment,
    options: CloneOptions,
    demonstrations: Path,
    seed: int,
    report: Callable[..., None],
    device: Device = "cpu",
) -> tuple[MontezumaNetwork, MetricLog]:
    """Train a network on the demonstrations' actions by cross-entropy; returns it with its losses.

    Raises:
        ConfigError: no demonstration continues after entering the room.
    """
    room = experiment.environment.room
    known = [
        item
        for item in read_demonstrations(demonstrations)
        if item.room_entries.get(room, len(item.actions)) < len(item.actions)
    ]
    if not known:
        raise ConfigError(
            f"{demonstrations}: no demonstration continues in room {room}; enlarge pretrain.expert"
        )
    states = States([states_of(experiment, item) for item in known])
    network = MontezumaNetwork.seeded(experiment.network, experiment.environment, seed).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=options.learning_rate)
    generator = torch.Generator().manual_seed(seed)
    log = MetricLog()
    for update in range(options.updates):
        indices = torch.randint(len(states.actions), (options.batch_size,), generator=generator)
        observations, actions = (part.to(device) for part in states.at(indices))
        logits = network.logits(network.encode(observations))
        loss = F.cross_entropy(logits, actions)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if update % _MEASURE_EVERY == 0:
            accuracy = float((logits.argmax(-1) == actions).float().mean())
            log.add(update, cross_entropy=float(loss.detach()), accuracy=accuracy)
            report(update, options.updates, accuracy=accuracy)
    return network.eval(), log


class States:
    """Observations and actions of demonstrations; each frame is stored once, not once per stack.

    Args:
        parts: the result of ``states_of`` for each demonstration.
    """

    def __init__(self, parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        self.frames = torch.from_numpy(np.concatenate([frames for frames, _ in parts]))
        self.actions = torch.from_numpy(np.concatenate([actions for _, actions in parts]))
        self.stack = len(parts[0][0]) - len(parts[0][1]) + 1
        starts = np.cumsum([0, *(len(frames) for frames, _ in parts)])
        oldest = [np.arange(len(actions)) + begin for (_, actions), begin in zip(parts, starts, strict=False)]
        self.oldest = torch.from_numpy(np.concatenate(oldest))  # index of each stack's oldest frame

    def at(self, indices: Tensor) -> tuple[Tensor, Tensor]:
        """Observations uint8 ``[N, stack, size, size]`` and actions int64 ``[N]``."""
        return self.frames[self.oldest[indices, None] + torch.arange(self.stack)], self.actions[indices]


def states_of(experiment: MontezumaExperiment, demonstration: Demonstration) -> tuple[np.ndarray, np.ndarray]:
    """Frames uint8 ``[N + stack - 1, size, size]`` and actions int64 ``[N]`` from the room's entry on."""
    environment = experiment.environment.model_copy(update={"sticky": 0.0, "max_steps": 10**9})
    entry = demonstration.room_entries[environment.room]
    player = MontezumaEnvironment(environment, (0,))
    observation, _ = player.reset()
    frames: list[np.ndarray] = []
    actions = []
    for index, action in enumerate(demonstration.actions):
        if index >= entry:
            frames += [np.array(frame) for frame in (observation[-1:] if frames else observation)]
            actions.append(action)
        observation, _, terminated, _, _ = player.step(action)
        if terminated:
            break
    player.close()  # type: ignore[no-untyped-call]
    return np.stack(frames), np.array(actions, dtype=np.int64)
