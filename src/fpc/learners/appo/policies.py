"""What a retention method sees of APPO's networks: student and pi*, with and without memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from fpc.learners.recurrence import unroll


class Sequences(Protocol):
    """``T`` consecutive steps of ``B`` games; either observations or features are there."""

    @property
    def starts(self) -> Tensor:
        """bool ``[T, B]``: a game begins here."""

    @property
    def observations(self) -> Mapping[str, Tensor] | None:
        """Each ``[T, B, ...]``."""

    @property
    def features(self) -> Tensor | None:
        """``[T, B, H]``: the LSTM's inputs, from an encoder that does not change."""

    @property
    def outputs(self) -> Tensor | None:
        """``[T, B, A]``: log-probabilities of pi*; None where they were not stored."""


def categorical_information(logits: Tensor) -> Tensor:
    """Diagonal of the Fisher information about the logits: ``p (1 - p)`` of every action, ``[..., A]``."""
    probabilities = logits.softmax(-1)
    return probabilities * (1 - probabilities)


class RecurrentCategoricalPolicy:
    """A policy with an LSTM over actions, on sequences of games.

    It has no state of its own: ``unroll`` takes the LSTM's state and returns the next.

    Args:
        network: see :class:`fpc.learners.appo.job.Network`.
        trains_encoder: whether gradients flow into the encoder.
    """

    def __init__(self, network: Any, trains_encoder: bool) -> None:
        self.network, self.trains_encoder = network, trains_encoder

    def outputs(self, observations: Sequences) -> Tensor:
        """Logits ``[T * B, A]`` along sequences, each from a state of zeros."""
        return self.unroll(observations, None)[0]

    def unroll(self, sequences: Sequences, state: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits ``[T * B, A]`` along sequences from ``state`` ``[B, 2 H]``, and the state after them.

        The state is zeroed where a game starts (paper, appendix on NetHack); None stands for zeros.
        """
        features = self.features(sequences)
        if state is None:
            state = features.new_zeros(features.shape[1], 2 * self.network.core.hidden_size)
        starts = sequences.starts.to(features.device)
        hidden, state = unroll(self.network.core, features, starts, state.to(features.device))
        logits: Tensor = self.network.policy(hidden.flatten(0, 1))
        return logits, state.detach()

    def features(self, sequences: Sequences) -> Tensor:
        """The LSTM's inputs ``[T, B, H]``, as stored or from this network's encoder."""
        device = self.network.policy.weight.device
        if sequences.features is not None:
            return sequences.features.to(device).float()
        assert sequences.observations is not None
        flat = {name: value.flatten(0, 1).to(device) for name, value in sequences.observations.items()}
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_encoder):
            features: Tensor = self.network.encode(flat)
        return features.view(*sequences.starts.shape, -1)

    def distribution(self, outputs: Tensor) -> Distribution:
        """Categorical over actions."""
        return Categorical(logits=outputs, validate_args=False)

    def information(self, outputs: Tensor) -> Tensor:
        """See :func:`categorical_information`."""
        return categorical_information(outputs)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """Trained parameters without the critic's (released code: critic head excluded)."""
        return {
            name: value
            for name, value in self.network.named_parameters()
            if value.requires_grad and not name.startswith("baseline.")
        }


class FeedforwardCategoricalPolicy(nn.Module):
    """A policy without memory over actions."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def outputs(self, observations: Any) -> Tensor:
        """Logits ``[N, A]`` of observations ``[N, ...]``, or of Sample Factory's dictionary of them."""
        if isinstance(observations, Mapping):
            observations = observations["obs"]
        device = self.network.policy.weight.device
        logits: Tensor = self.network.policy(self.network.encode(observations.to(device)))
        return logits

    def distribution(self, outputs: Tensor) -> Distribution:
        """Categorical over actions."""
        return Categorical(logits=outputs, validate_args=False)

    def information(self, outputs: Tensor) -> Tensor:
        """See :func:`categorical_information`."""
        return categorical_information(outputs)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """All but the value heads."""
        return {name: value for name, value in self.network.named_parameters() if "baseline." not in name}
