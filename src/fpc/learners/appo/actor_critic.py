"""Sample Factory actor-critics: the common base, and the recurrent one that also runs pi*."""

from __future__ import annotations

from typing import Any

import torch
from sample_factory.algo.utils.action_distributions import get_action_distribution
from sample_factory.algo.utils.tensor_dict import TensorDict
from sample_factory.model.actor_critic import ActorCritic
from sample_factory.utils.attr_dict import AttrDict
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from fpc.learners.appo.job import Job
from fpc.learners.appo.settings import carries_teacher
from fpc.learners.recurrence import run_segment


class ByteActorCritic(ActorCritic):  # type: ignore[misc]
    """Takes raw byte observations on the device of ``network``."""

    network: Any

    def device_for_input_tensor(self, input_tensor_name: str) -> torch.device:
        """The network's device, for every observation."""
        weight: Tensor = self.network.policy.weight
        return weight.device

    def type_for_input_tensor(self, input_tensor_name: str) -> torch.dtype:
        """uint8: observations stay bytes."""
        return torch.uint8


class RecurrentActorCritic(ByteActorCritic):
    """The job's network, plus pi* if a method compares with it on the learner's own states.

    The teacher's LSTM state is carried alongside the student's, in one vector ``[N, 2 H + 2 H]`` in Sample
    Factory's buffers. If the student's encoder cannot change, the teacher reuses its features instead of
    running its own encoder.
    """

    def __init__(self, obs_space: Any, action_space: Any, cfg: AttrDict) -> None:
        super().__init__(obs_space, action_space, cfg)
        self.job = Job.of(cfg["fpc"])
        appo = self.job.appo_options
        self.network: Any = self.job.make_network()
        self.frozen = self.job.trainable != "all"
        self.moving = self.frozen and appo.batch_norm == "moving"
        self.shares_encoder = self.frozen and not self.moving
        freeze(self.network, self.job.trainable, self.moving)
        self.teacher: Any = None
        if carries_teacher(self.job):
            self.teacher = self.job.make_network()
            self.teacher.freeze_encoder()
            self.teacher.requires_grad_(False)
        network: Any = self.network
        self.hidden = int(network.core.hidden_size)
        self.teacher_outputs: Tensor | None = None  # from the latest forward pass with gradients

    def forward_head(self, normalized_obs_dict: dict[str, Tensor]) -> Tensor:
        """Features ``[N, H]``, or ``[N, 2 H]`` if the teacher runs its own encoder."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features: Tensor = self.network.encode(normalized_obs_dict)
        if self.teacher is None or self.shares_encoder:
            return features
        with torch.no_grad():
            return torch.cat([features, self.teacher.encode(normalized_obs_dict)], dim=-1)

    def forward_core(self, head_output: Any, rnn_states: Tensor) -> tuple[Any, Tensor]:
        """One step ``[N, ...]`` or a packed sequence; states ``[N, 2 H]`` or ``[N, 4 H]``."""
        size = self.hidden
        student, state = _step(self.network.core, _columns(head_output, 0, size), rnn_states[:, : 2 * size])
        if self.teacher is None:
            return student, state
        with torch.no_grad():
            features = _columns(head_output, -size, None)
            teacher, teacher_state = _step(self.teacher.core, features, rnn_states[:, 2 * size :])
        return _concatenated(student, teacher), torch.cat([state, teacher_state], dim=1)

    def forward_tail(self, core_output: Tensor, values_only: bool, sample_actions: bool) -> TensorDict:
        """Values ``[N]`` and, unless ``values_only``, logits ``[N, A]`` and sampled actions."""
        student = core_output[:, : self.hidden]
        result = TensorDict(values=self.network.baseline(student).squeeze(-1))
        if values_only:
            return result
        logits = self.network.policy(student)
        self.last_action_distribution = get_action_distribution(self.action_space, raw_logits=logits)
        if self.teacher is not None and torch.is_grad_enabled():
            with torch.no_grad():
                self.teacher_outputs = self.teacher.policy(core_output[:, self.hidden :])
        result["action_logits"] = logits
        self._maybe_sample_actions(sample_actions, result)
        return result

    def forward(self, normalized_obs_dict: Any, rnn_states: Tensor, values_only: bool = False) -> TensorDict:
        """One step of every environment: values, logits, sampled actions and the new recurrent states."""
        features = self.forward_head(normalized_obs_dict)
        output, state = self.forward_core(features, rnn_states)
        result = self.forward_tail(output, values_only, sample_actions=True)
        result["new_rnn_states"] = state
        return result


def freeze(network: Any, trainable: str, moving_statistics: bool) -> None:
    """Restrict gradients to the trainable part: all, core (LSTM and heads), heads, or critic."""
    if trainable == "all":
        return
    network.freeze_encoder(moving_statistics=moving_statistics)
    if trainable in ("heads", "critic"):
        network.core.requires_grad_(False)
    if trainable == "critic":
        network.policy.requires_grad_(False)


def _columns(values: Any, start: int, stop: int | None) -> Any:
    """Columns ``start`` to ``stop`` of ``[N, ...]`` or of a packed sequence."""
    if isinstance(values, PackedSequence):
        return values._replace(data=values.data[:, start:stop])
    return values[:, start:stop]


def _concatenated(first: Any, second: Any) -> Any:
    """Concatenate the columns of two ``[N, ...]`` tensors or packed sequences."""
    if isinstance(first, PackedSequence):
        return first._replace(data=torch.cat([first.data, second.data], dim=1))
    return torch.cat([first, second], dim=1)


def _step(core: nn.LSTM, features: Any, state: Tensor) -> tuple[Any, Tensor]:
    """Run the LSTM on one step or a packed sequence; the state ``[N, 2 H]`` is hidden and cell state."""
    hidden, cell = state.chunk(2, dim=1)
    if isinstance(features, PackedSequence):
        initial = (hidden.unsqueeze(0).contiguous(), cell.unsqueeze(0).contiguous())
        sequence, (last, last_cell) = core(features, initial)
        return sequence, torch.cat([last[0], last_cell[0]], dim=1)
    output, hidden, cell = run_segment(core, features.unsqueeze(0), hidden, cell)
    return output.squeeze(0), torch.cat([hidden, cell], dim=1)
