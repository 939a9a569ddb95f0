"""APPO's networks as policies for retention methods: student and pi*, with and without memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from fpc.learners.recurrence import unroll


class Sequences(Protocol):
    """``T`` consecutive steps of ``B`` games, with either observations or features."""

    @property
    def starts(self) -> Tensor:
        """bool ``[T, B]``: True where a game begins."""

    @property
    def observations(self) -> Mapping[str, Tensor] | None:
        """Observations by name, each ``[T, B, ...]``; None if features are given."""

    @property
    def features(self) -> Tensor | None:
        """``[T, B, H]``: the LSTM's inputs from a frozen encoder; None if observations are given."""

    @property
    def outputs(self) -> Tensor | None:
        """``[T, B, A]``: log-probabilities of pi*; None if not stored."""

    @property
    def actions(self) -> Tensor | None:
        """``[T, B]``: actions of the expert that played the games; None if not stored."""


def categorical_information(logits: Tensor) -> Tensor:
    """Diagonal of the Fisher information w.r.t. the logits: ``p (1 - p)`` per action, ``[..., A]``."""
    probabilities = logits.softmax(-1)
    return probabilities * (1 - probabilities)


class RecurrentCategoricalPolicy:
    """A categorical policy with an LSTM, evaluated on sequences of games.

    It is stateless: ``unroll`` takes the LSTM's state and returns the next one. An encoder that is trained
    uses BatchNorm's running statistics here, as when it acts, and does not change them.

    Args:
        network: see :class:`fpc.learners.appo.job.Network`.
        trains_encoder: whether gradients flow into the encoder.
    """

    def __init__(self, network: Any, trains_encoder: bool) -> None:
        self.network, self.trains_encoder = network, trains_encoder

    def outputs(self, observations: Sequences) -> Tensor:
        """Logits ``[T * B, A]`` along sequences, each starting from a zero state."""
        return self.unroll(observations, None)[0]

    def unroll(self, sequences: Sequences, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits ``[T * B, A]`` along sequences from ``state`` ``[B, 2 H]``, and the state after them.

        The state is zeroed where a game starts (paper, appendix on NetHack); None means zeros.
        """
        features = self.features(sequences)
        if state is None:
            state = features.new_zeros(features.shape[1], 2 * self.network.core.hidden_size)
        starts = sequences.starts.to(features.device)
        hidden, state = unroll(self.network.core, features, starts, state.to(features.device))
        logits: Tensor = self.network.policy(hidden.flatten(0, 1))
        return logits, state.detach()

    def features(self, sequences: Sequences) -> Tensor:
        """The LSTM's inputs ``[T, B, H]``, stored or computed by this network's encoder."""
        device = self.network.policy.weight.device
        if sequences.features is not None:
            return sequences.features.to(device).float()
        assert sequences.observations is not None
        flat = {name: value.flatten(0, 1).to(device) for name, value in sequences.observations.items()}
        # A frozen encoder is left as it is: the modes of its network's parts may differ on purpose.
        pausing = self.trains_encoder and self.network.training
        if pausing:
            self.network.eval()
        try:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_encoder):
                features: Tensor = self.network.encode(flat)
        finally:
            if pausing:
                self.network.train()
        return features.view(*sequences.starts.shape, -1)

    def distribution(self, outputs: Tensor) -> Distribution:
        """Categorical over actions."""
        return Categorical(logits=outputs, validate_args=False)

    def information(self, outputs: Tensor) -> Tensor:
        """See :func:`categorical_information`."""
        return categorical_information(outputs)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """Trainable parameters except the critic's (as in the released code)."""
        return {
            name: value
            for name, value in self.network.named_parameters()
            if value.requires_grad and not name.startswith("baseline.")
        }


class FeedforwardCategoricalPolicy(nn.Module):
    """A categorical policy without memory."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def outputs(self, observations: Any) -> Tensor:
        """Logits ``[N, A]`` of observations ``[N, ...]``, or of Sample Factory's dictionary of them."""
        if isinstance(observations, Mapping):
            observations = observations["obs"]
        device = self.network.policy.weight.device
        logits: Tensor = self.network.logits(self.network.encode(observations.to(device)))
        return logits

    def distribution(self, outputs: Tensor) -> Distribution:
        """Categorical over actions."""
        return Categorical(logits=outputs, validate_args=False)

    def information(self, outputs: Tensor) -> Tensor:
        """See :func:`categorical_information`."""
        return categorical_information(outputs)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """All parameters except those of the value heads."""
        return {name: value for name, value in self.network.named_parameters() if "baseline" not in name}
