"""The APPO learner with random network distillation (Burda et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from sample_factory.algo.learning.learner import Learner
from sample_factory.algo.utils.tensor_dict import TensorDict
from sample_factory.utils.attr_dict import AttrDict
from torch import Tensor

from fpc.learners.appo.learner import RetentionLearner
from fpc.learners.appo.policies import FeedforwardCategoricalPolicy
from fpc.learners.appo.rnd import advantages
from fpc.retention.interface import RetentionContext

_FRAMES_AT_ONCE = 1024  # in the warm-up
_STATES_AT_ONCE = 256  # bounds memory; twice as fast as 2048


class RNDLearner(RetentionLearner):
    """Adds intrinsic advantages, their value loss and the predictor's loss.

    Intrinsic rewards are computed from each batch's own frames, and their returns continue across episode
    ends (Burda et al. 2018, section 2.3). The policy loss is that of the base code: unlike Sample Factory's,
    it clips the ratio to [1 - clip, 1 + clip] and does not normalise advantages (an option).
    """

    _combined: Tensor  # the minibatch's advantages before Sample Factory normalises them, [N]

    def _make_context(self, weights: Mapping[str, Tensor] | None) -> None:
        """Build the method's context: the student, pi* (of these weights) and the expert's states."""
        self.student = FeedforwardCategoricalPolicy(self.actor_critic.network)
        teacher = None
        if weights is not None and self._method_needs_something():
            teacher = FeedforwardCategoricalPolicy(self._frozen_network(weights))
        data = self.job.open_data().on(self.device) if self.job.expert is not None else None
        self.generator = torch.Generator().manual_seed(self.job.seed_for("retention"))
        self.context = RetentionContext(self.student, teacher, data, None, self.generator, run_dimensions=0)

    def _prepare(self) -> None:
        super()._prepare()
        self._warm_up_normaliser(self.job.rnd_options.warm_up_steps)

    def _warm_up_normaliser(self, steps: int) -> None:
        """Initialise the running mean and variance of frames with those seen by a random policy."""
        if not steps:
            return
        appo = self.job.appo_options
        environment = self.job.make_environment(appo.workers * appo.environments_per_worker)  # not trained on
        rng = np.random.default_rng(self.job.seed_for("warm-up"))
        actions = int(environment.action_space.n)  # type: ignore[attr-defined]
        environment.reset()
        frames = []
        for step in range(steps):
            observation, _, terminated, truncated, _ = environment.step(int(rng.integers(actions)))
            frames.append(torch.from_numpy(np.array(observation[-1])))
            if terminated or truncated:
                environment.reset()
            if len(frames) == _FRAMES_AT_ONCE or step + 1 == steps:
                self.actor_critic.rnd.frames.update(torch.stack(frames))
                frames.clear()
        environment.close()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def _prepare_batch(self, batch: TensorDict) -> tuple[TensorDict, int, int]:
        """Sample Factory's preparation, with combined advantages and the intrinsic returns added."""
        observations = batch["obs"]["obs"]  # [E, T + 1, stack, size, size]
        prepared, size, invalids = super()._prepare_batch(batch)
        network, options = self.actor_critic.network, self.job.rnd_options
        observations = observations.to(network.policy.weight.device)
        frames = observations[:, 1:, -1].contiguous()
        rewards = self.actor_critic.rnd.intrinsic_rewards(frames)
        values = torch.cat(
            [
                network.values(network.encode(part))[1]
                for part in torch.split(observations.flatten(0, 1), _STATES_AT_ONCE)
            ]
        ).view(observations.shape[:2])
        gae_lambda = self.job.appo_options.gae_lambda
        intrinsic = advantages(rewards, values, torch.ones_like(rewards), options.intrinsic_gamma, gae_lambda)
        prepared["intrinsic_returns"] = (intrinsic + values[:, :-1]).flatten()
        prepared["frames"] = frames.flatten(0, 1)
        weighted = options.extrinsic_coefficient * prepared["advantages"]
        prepared["advantages"] = weighted + options.intrinsic_coefficient * intrinsic.flatten()
        self.intrinsic_reward = float(rewards.mean())
        return prepared, size, invalids

    def _intrinsic_losses(self, batch: AttrDict) -> Tensor:
        """The intrinsic value loss plus the predictor's loss on its fraction of the frames."""
        model, valids = self.actor_critic, batch.valids.bool()
        assert model.intrinsic_values is not None
        error = (model.intrinsic_values - batch.intrinsic_returns)[valids]
        selected = torch.rand(len(valids), generator=self.generator).to(valids.device)
        selected = valids & (selected < self.job.rnd_options.update_proportion)
        value_loss = error.square().mean() * self.job.appo_options.value_coefficient
        loss: Tensor = value_loss + model.rnd.loss(batch.frames, selected)
        return loss

    def _calculate_losses(self, mb: AttrDict, num_invalids: int) -> Any:
        """Sample Factory's losses with the method's term and the intrinsic losses added."""
        self._combined = mb.advantages
        losses = list(super()._calculate_losses(mb, num_invalids))
        losses[4] = losses[4] + self._intrinsic_losses(mb)
        return tuple(losses)

    def _policy_loss(
        self, ratio: Tensor, adv: Tensor, low: float, high: float, valids: Tensor, num_invalids: int
    ) -> Tensor:
        """PPO's clipped loss of ratios ``[N]``; ``adv`` are the advantages, normalised by Sample Factory."""
        chosen = adv if self.job.rnd_options.normalize_advantages else self._combined
        low = 1.0 - self.job.appo_options.clip_ratio
        loss: Tensor = Learner._policy_loss(ratio, chosen, low, high, valids, num_invalids)
        return loss

    def _measures(self) -> dict[str, float]:
        return {"intrinsic_reward": self.intrinsic_reward}
