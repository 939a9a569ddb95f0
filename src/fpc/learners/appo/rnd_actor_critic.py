"""The actor-critic for APPO with random network distillation: no memory, two value heads."""

from __future__ import annotations

from typing import Any

import torch
from sample_factory.algo.utils.action_distributions import get_action_distribution
from sample_factory.algo.utils.tensor_dict import TensorDict
from sample_factory.utils.attr_dict import AttrDict
from torch import Tensor

from fpc.learners.appo.actor_critic import ByteActorCritic
from fpc.learners.appo.job import Job
from fpc.learners.appo.rnd import RandomNetworkDistillation


class RNDActorCritic(ByteActorCritic):
    """The job's network with random network distillation; observations ``[N, stack, size, size]``."""

    teacher = None
    teacher_outputs = None
    frozen = False

    def __init__(self, obs_space: Any, action_space: Any, cfg: AttrDict) -> None:
        super().__init__(obs_space, action_space, cfg)
        self.job = Job.of(cfg["fpc"])
        appo = self.job.appo_options
        self.network: Any = self.job.make_network()
        streams = appo.batch_size * appo.minibatches // appo.rollout
        size = obs_space["obs"].shape[-1]
        self.rnd = RandomNetworkDistillation(self.job.rnd_options, size, streams, self.job.seed_for("rnd"))
        self.intrinsic_values: Tensor | None = None  # from the latest forward pass with gradients

    def forward_head(self, normalized_obs_dict: dict[str, Tensor]) -> Tensor:
        """Features ``[N, H]``."""
        features: Tensor = self.network.encode(normalized_obs_dict["obs"])
        return features

    def forward_core(self, head_output: Any, rnn_states: Tensor) -> tuple[Any, Tensor]:
        """Identity: the policy has no memory."""
        return head_output, rnn_states

    def forward_tail(self, core_output: Tensor, values_only: bool, sample_actions: bool) -> TensorDict:
        """Extrinsic values ``[N]`` and, unless ``values_only``, logits ``[N, A]`` and sampled actions."""
        values, intrinsic_values = self.network.values(core_output)
        result = TensorDict(values=values)
        if values_only:
            return result
        if torch.is_grad_enabled():
            self.intrinsic_values = intrinsic_values
        logits = self.network.logits(core_output)
        self.last_action_distribution = get_action_distribution(self.action_space, raw_logits=logits)
        result["action_logits"] = logits
        self._maybe_sample_actions(sample_actions, result)
        return result

    def forward(self, normalized_obs_dict: Any, rnn_states: Tensor, values_only: bool = False) -> TensorDict:
        """One step of every environment: values, logits, sampled actions and the new recurrent states."""
        result = self.forward_tail(self.forward_head(normalized_obs_dict), values_only, sample_actions=True)
        result["new_rnn_states"] = rnn_states
        return result
