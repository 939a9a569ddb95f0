"""The policy, and whole games that it plays side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from fpc.domains.taxi.environment import ACTIONS, WIDTH, is_aboard, moved, observe
from fpc.learners.recurrence import run_segment

HEAD_GAIN = 0.01  # of the heads' orthogonal initialisation


class TaxiNetwork(nn.Module):
    """Policy and value on an LSTM, as APPO needs it (:class:`fpc.learners.appo.job.Network`)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(WIDTH, hidden), nn.ReLU())
        self.core = nn.LSTM(hidden, hidden)
        self.policy = nn.Linear(hidden, ACTIONS)
        self.baseline = nn.Linear(hidden, 1)

    @classmethod
    def seeded(cls, hidden: int, seed: int) -> Self:
        """Initialise from ``seed`` alone: orthogonal weights, zero biases."""
        network, generator = cls(hidden), torch.Generator().manual_seed(seed)
        for name, value in network.named_parameters():
            if value.ndim == 1:
                nn.init.zeros_(value)
            else:
                head = name.startswith(("policy", "baseline"))
                nn.init.orthogonal_(value, HEAD_GAIN if head else 1.0, generator=generator)
        return network

    def encode(self, observations: Mapping[str, Tensor]) -> Tensor:
        """Features float32 ``[N, hidden]`` of ``obs``, uint8 ``[N, 19]``."""
        features: Tensor = self.encoder(observations["obs"].float())
        return features

    def freeze_encoder(self, *, moving_statistics: bool = False) -> None:
        """Disable gradients in the encoder, which has no BatchNorm."""
        self.encoder.requires_grad_(False)


def network_of(hidden: int, seed: int) -> TaxiNetwork:
    """A network initialised from the seed."""
    return TaxiNetwork.seeded(hidden, seed)


@dataclass
class Game:
    """A game: observations and log-probabilities of each step, and what was reached."""

    state: int
    observations: list[np.ndarray] = field(default_factory=list)  # uint8 [19] each
    outputs: list[Tensor] = field(default_factory=list)  # float32 [6] each
    picked_up: bool = False  # at any time
    delivered: bool = False


@torch.inference_mode()
def play(network: TaxiNetwork, starts: Sequence[int], max_steps: int, seed: int) -> list[Game]:
    """Play a game from each start state, with sampled actions, all side by side."""
    games = [Game(state, picked_up=is_aboard(state)) for state in starts]
    sampler = torch.Generator().manual_seed(seed)
    state = torch.zeros(2, len(games), network.core.hidden_size)
    for _ in range(max_steps):
        seen = np.stack([observe(game.state) for game in games])
        features = network.encode({"obs": torch.from_numpy(seen)})
        output, hidden, cell = run_segment(network.core, features[None], state[0], state[1])
        state = torch.stack([hidden, cell])
        outputs = network.policy(output[0]).log_softmax(-1)
        actions = torch.multinomial(outputs.exp(), 1, generator=sampler).flatten().tolist()
        for number, (game, action) in enumerate(zip(games, actions, strict=True)):
            if game.delivered:  # plays no part any more
                continue
            game.observations.append(seen[number])
            game.outputs.append(outputs[number])
            game.state, _, game.delivered = moved(game.state, action)
            game.picked_up = game.picked_up or is_aboard(game.state)
    return games
