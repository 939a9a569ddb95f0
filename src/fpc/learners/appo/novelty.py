"""APPO with random network distillation: a policy without memory and two value heads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sample_factory.algo.utils.action_distributions import get_action_distribution
from sample_factory.algo.utils.tensor_dict import TensorDict
from sample_factory.utils.attr_dict import AttrDict
from torch import Tensor

from fpc.learners.appo.actor_critic import ByteActorCritic
from fpc.learners.appo.job import Job
from fpc.learners.appo.learner import RetentionLearner
from fpc.learners.appo.policies import FeedforwardPolicy
from fpc.learners.appo.rnd import RandomNetworkDistillation, advantages
from fpc.retention.interface import RetentionContext

_WARM_UP = 991  # tells the warm-up's generator from others of the run's seed
_STATES_AT_ONCE = 256  # bounds memory; twice as fast as 2048


class NoveltyActorCritic(ByteActorCritic):
    """The job's network and its random network distillation; observations ``[N, stack, size, size]``."""

    teacher = None
    teacher_outputs = None
    frozen = False

    def __init__(self, obs_space: Any, action_space: Any, cfg: AttrDict) -> None:
        super().__init__(obs_space, action_space, cfg)
        self.job = Job.of(cfg["fpc"])
        appo = self.job.options_of_appo
        self.network: Any = self.job.make_network()
        streams = appo.batch_size * appo.minibatches // appo.rollout
        size = obs_space["obs"].shape[-1]
        self.rnd = RandomNetworkDistillation(self.job.options_of_rnd, size, streams, self.job.seed)
        self.intrinsic_values: Tensor | None = None  # of the newest pass with gradients

    def forward_head(self, normalized_obs_dict: dict[str, Tensor]) -> Tensor:
        """Features ``[N, H]``."""
        features: Tensor = self.network.encode(normalized_obs_dict["obs"])
        return features

    def forward_core(self, head_output: Any, rnn_states: Tensor) -> tuple[Any, Tensor]:
        """No memory."""
        return head_output, rnn_states

    def forward_tail(self, core_output: Tensor, values_only: bool, sample_actions: bool) -> TensorDict:
        """Extrinsic values ``[N]`` and, unless ``values_only``, logits ``[N, A]`` and sampled actions."""
        result = TensorDict(values=self.network.baseline(core_output).squeeze(-1))
        if values_only:
            return result
        if torch.is_grad_enabled():
            self.intrinsic_values = self.network.intrinsic_baseline(core_output).squeeze(-1)
        logits = self.network.policy(core_output)
        self.last_action_distribution = get_action_distribution(self.action_space, raw_logits=logits)
        result["action_logits"] = logits
        self._maybe_sample_actions(sample_actions, result)
        return result

    def forward(self, normalized_obs_dict: Any, rnn_states: Tensor, values_only: bool = False) -> TensorDict:
        """One step of every environment."""
        result = self.forward_tail(self.forward_head(normalized_obs_dict), values_only, sample_actions=True)
        result["new_rnn_states"] = rnn_states
        return result


class NoveltyLearner(RetentionLearner):
    """Adds intrinsic advantages, their value loss and the predictor's loss.

    Intrinsic rewards are of a batch's own pictures, computed by the learner, and their returns run over
    the ends of episodes (Burda et al. 2018, section 2.3).
    """

    def _make_context(self, initial: Mapping[str, Tensor] | None) -> None:
        network = self.actor_critic.network
        self.student = FeedforwardPolicy(network)
        teacher = None
        if initial is not None and self.method is not None and self.method.needs:
            pi_star: Any = self.job.make_network()
            pi_star.load_state_dict(dict(initial))
            pi_star.requires_grad_(False).eval().to(network.policy.weight.device)
            teacher = FeedforwardPolicy(pi_star)
        self.expert = None  # a data set has no place to remember
        data = self.job.open_data() if self.job.expert is not None else None
        self.generator = torch.Generator().manual_seed(self.job.seed)
        self.context = RetentionContext(self.student, teacher, data, None, self.generator)

    def _prepare(self) -> None:
        super()._prepare()
        self._see_random_pictures(self.job.options_of_rnd.warm_up_steps)

    def _see_random_pictures(self, steps: int) -> None:
        """Begin the normaliser of pictures with those that a random policy sees."""
        if not steps:
            return
        environment = self.job.make_environment(0)
        generator = np.random.default_rng([self.job.seed, _WARM_UP])
        actions = int(environment.action_space.n)  # type: ignore[attr-defined]
        environment.reset()
        pictures = []
        for step in range(steps):
            observation, _, terminated, truncated, _ = environment.step(int(generator.integers(actions)))
            pictures.append(torch.from_numpy(np.array(observation[-1])))
            if terminated or truncated:
                environment.reset()
            if len(pictures) == 1024 or step + 1 == steps:
                self.actor_critic.rnd.pictures.update(torch.stack(pictures))
                pictures.clear()
        environment.close()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def _prepare_batch(self, batch: TensorDict) -> tuple[TensorDict, int, int]:
        """As Sample Factory's, with both advantages joined and the intrinsic targets beside them."""
        observations = batch["obs"]["obs"]  # [E, T + 1, stack, size, size]
        prepared, size, invalids = super()._prepare_batch(batch)
        network, options = self.actor_critic.network, self.job.options_of_rnd
        observations = observations.to(network.policy.weight.device)
        pictures = observations[:, 1:, -1].contiguous()
        rewards = self.actor_critic.rnd.intrinsic_rewards(pictures)
        values = torch.cat(
            [
                network.intrinsic_baseline(network.encode(part)).squeeze(-1)
                for part in torch.split(observations.flatten(0, 1), _STATES_AT_ONCE)
            ]
        ).view(observations.shape[:2])
        gae_lambda = self.job.options_of_appo.gae_lambda
        found = advantages(rewards, values, torch.ones_like(rewards), options.intrinsic_gamma, gae_lambda)
        prepared["intrinsic_returns"] = (found + values[:, :-1]).flatten()
        prepared["pictures"] = pictures.flatten(0, 1)
        joined = options.extrinsic_coefficient * prepared["advantages"]
        prepared["advantages"] = joined + options.intrinsic_coefficient * found.flatten()
        self.intrinsic_reward = float(rewards.mean())
        return prepared, size, invalids

    def _value_losses(self, batch: AttrDict) -> Tensor:
        """The intrinsic value loss, and the predictor's on its share of the pictures."""
        model, valids = self.actor_critic, batch.valids.bool()
        assert model.intrinsic_values is not None
        difference = (model.intrinsic_values - batch.intrinsic_returns)[valids]
        chosen = torch.rand(len(valids), generator=self.generator).to(valids.device)
        chosen = valids & (chosen < self.job.options_of_rnd.update_proportion)
        value_loss = difference.square().mean() * self.job.options_of_appo.value_coefficient
        loss: Tensor = value_loss + model.rnd.loss(batch.pictures, chosen)
        return loss

    def _calculate_losses(self, mb: AttrDict, num_invalids: int) -> Any:
        """Sample Factory's losses, the method's term and those of the intrinsic part."""
        losses = list(super()._calculate_losses(mb, num_invalids))
        losses[4] = losses[4] + self._value_losses(mb)
        return tuple(losses)

    def _measures(self) -> dict[str, float]:
        return {"intrinsic_reward": self.intrinsic_reward}
