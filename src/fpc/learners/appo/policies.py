"""What a retention method sees of APPO: the student, pi*, and the expert's sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution

from fpc.learners.appo.job import Job
from fpc.learners.recurrence import unroll
from fpc.retention.interface import ExpertBatch


def bernoulli_variance(logits: Tensor) -> Tensor:
    """``p (1 - p)`` of every action, ``[..., A]``."""
    probabilities = logits.softmax(-1)
    return probabilities * (1 - probabilities)


class CategoricalPolicy:
    """A recurrent policy over actions, on the expert's sequences.

    It walks along the streams of sequences: the LSTM's state after one batch is carried to the next
    and zeroed where a game starts (paper, appendix on NetHack).
    """

    def __init__(self, network: Any, encodes: bool) -> None:
        self.network, self.encodes = network, encodes
        self.state: Tensor | None = None  # [B, 2 H], between batches

    def outputs(self, observations: Any) -> Tensor:
        """Logits ``[T * B, A]`` along sequences of shape ``[T, B]``."""
        features = self.features(observations)
        if self.state is None or len(self.state) != features.shape[1]:
            self.state = features.new_zeros(features.shape[1], 2 * self.network.core.hidden_size)
        starts, state = observations.starts.to(features.device), self.state.to(features.device)
        hidden, state = unroll(self.network.core, features, starts, state)
        self.state = state.detach()
        logits: Tensor = self.network.policy(hidden.flatten(0, 1))
        return logits

    def features(self, sequence: Any) -> Tensor:
        """The LSTM's inputs ``[T, B, H]``, as stored or from this network's encoder."""
        device = self.network.policy.weight.device
        if sequence.features is not None:
            stored: Tensor = sequence.features.to(device).float()
            return stored
        flat = {name: value.flatten(0, 1).to(device) for name, value in sequence.observations.items()}
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.encodes):
            features: Tensor = self.network.encode(flat)
        return features.view(*sequence.starts.shape, -1)

    def distribution(self, outputs: Tensor) -> Distribution:
        """Categorical over actions."""
        return Categorical(logits=outputs, validate_args=False)

    def information(self, outputs: Tensor) -> Tensor:
        """Diagonal of the Fisher information about the logits: ``p (1 - p)``."""
        return bernoulli_variance(outputs)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """Trained parameters without the critic's (released code: critic head excluded)."""
        return {
            name: value
            for name, value in self.network.named_parameters()
            if value.requires_grad and not name.startswith("baseline.")
        }


class FeedforwardPolicy(nn.Module):
    """A policy without memory over actions."""

    state: Tensor | None = None  # nothing is carried between batches

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
        """Diagonal of the Fisher information about the logits: ``p (1 - p)``."""
        return bernoulli_variance(outputs)

    def anchored_parameters(self) -> Mapping[str, nn.Parameter]:
        """All but the value heads."""
        return {name: value for name, value in self.network.named_parameters() if "baseline." not in name}


class ExpertStreams:
    """The expert's sequences as expert data; pi*'s outputs are computed where they are not stored."""

    def __init__(self, job: Job, teacher: CategoricalPolicy, length: int, limit: int | None = None) -> None:
        self.job, self.teacher, self.length, self.limit = job, teacher, length, limit
        self.streams = 0
        self.source: Any = None
        self.narrowed: ExpertStreams | None = None

    def sample(self, size: int, generator: torch.Generator) -> ExpertBatch:
        """The next ``size`` steps: ``size / sequence length`` sequences. The streams are seeded on their own.

        Raises:
            ValueError: ``size`` is not a multiple of the sequence length, or differs between calls.
        """
        sequence = self.observations(size, generator)
        outputs = sequence.outputs
        if outputs is None:
            with torch.no_grad():
                outputs = self.teacher.outputs(sequence)
        else:
            outputs = outputs.to(self.teacher.network.policy.weight.device).float().flatten(0, 1)
        return ExpertBatch(sequence, outputs)

    def observations(self, size: int, generator: torch.Generator) -> Any:
        """As ``sample``, without pi*'s outputs."""
        if self.source is None:
            self._open(size)
        if size != self.streams * self.length:
            raise ValueError(f"the expert's streams give {self.streams * self.length} steps, not {size}")
        return self.source.next()

    def _open(self, size: int) -> None:
        if size % self.length:
            raise ValueError(
                f"a batch of {size} expert steps is not a multiple of the sequence length {self.length}"
            )
        self.streams = size // self.length
        arguments = dict(self.job.expert_arguments or {})
        if self.limit is not None:
            arguments["limit"] = self.limit
        job = Job.of({**self.job.values(), "expert_arguments": arguments})
        self.source = job.open_expert(self.streams, self.length)

    def restricted(self, size: int) -> ExpertStreams:
        """Only the first ``size`` steps, whole games."""
        self.narrowed = ExpertStreams(self.job, self.teacher, self.length, size)
        return self.narrowed

    def state_dict(self) -> dict[str, Tensor]:
        """Where every stream stands, and the teacher's LSTM state; empty before the first batch."""
        if self.narrowed is not None:
            return self.narrowed.state_dict()
        if self.source is None:
            return {}
        state = {f"source.{name}": value for name, value in self.source.state_dict().items()}
        state["streams"] = torch.tensor(self.streams)
        if self.teacher.state is not None:
            state["teacher"] = self.teacher.state
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Continue where ``state_dict`` was taken."""
        if self.narrowed is not None:
            self.narrowed.load_state_dict(state)
        elif state:
            self._open(int(state["streams"]) * self.length)
            prefix = "source."
            self.source.load_state_dict(
                {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
            )
            self.teacher.state = state.get("teacher")

    def transitions(self) -> Mapping[str, Tensor]:
        """Sequences have no transitions for a replay buffer."""
        raise ValueError("the expert's sequences hold no transitions; APPO has no replay buffer")
