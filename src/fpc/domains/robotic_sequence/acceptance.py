"""Whether pi* may be published: it solves its stages, its critics know it, and SAC keeps it.

Critics that do not know pi* undo it in the first updates of fine-tuning, and what looks like forgetting would
be an artefact of theirs. So their values must correlate with the returns of pi*'s own rollouts; and SAC must
keep pi* where it goes on in its stages alone (:mod:`.continuation`).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from fpc.core.seeds import generator_of, short_seeds_of, stream_of
from fpc.domains.interface import UnacceptablePolicy
from fpc.domains.robotic_sequence.config import EnvironmentOptions, PretrainOptions
from fpc.domains.robotic_sequence.environment import RoboticSequence, probe_names
from fpc.domains.robotic_sequence.expert import Act, success_rate
from fpc.domains.robotic_sequence.policies import deterministic, sampled
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.update import squashed_sample

logger = logging.getLogger(__name__)
Array = npt.NDArray[np.float64]
# Uses of the stream: seeds of episodes, and what samples the actions of some.
FIRST, CONFIRMATION, STARTS, ACTIONS, SAMPLED, SAMPLED_ACTIONS, CONTINUED = range(7)


def soft_returns(
    rewards: Array, log_probs: Array, ends: npt.NDArray[np.bool_], alpha: float, gamma: float
) -> Array:
    """``G_t = r_t + gamma (1 - end_t) (G_{t+1} - alpha log pi(a_{t+1}|s_{t+1}))`` ``[N]``.

    What SAC's action value estimates: the entropy of later actions counts as reward, that of the action
    itself does not. Entropy is summed as it was sampled, so its expectation is exact.

    Args:
        rewards: ``[N]``, of whole episodes one after the other.
        log_probs: of the actions taken, ``[N]``.
        ends: whether the value function ends with a transition, ``[N]``; the last entry is True.
        alpha: temperature.
        gamma: discount factor.
    """
    returns = np.empty(len(rewards))
    following = 0.0
    for step in range(len(rewards) - 1, -1, -1):
        returns[step] = rewards[step] + (0.0 if ends[step] else gamma * following)
        following = returns[step] - alpha * log_probs[step]
    return returns


def correlation(values: Array, returns: Array) -> float:
    """Pearson's correlation; NaN where one of them does not vary."""
    if np.ptp(values) == 0 or np.ptp(returns) == 0:
        return float("nan")
    return float(np.corrcoef(values, returns)[0, 1])


@dataclass(frozen=True)
class Calibration:
    """How values Q agree with returns G; the correlation alone does not see Q's scale and offset."""

    correlation: float  # Pearson's; NaN where one of them does not vary
    slope: float  # of the regression of G on Q, 1 for calibrated critics; NaN where Q does not vary
    bias: float  # mean Q - mean G, in units of return
    relative_bias: float  # the same in standard deviations of G; NaN where G does not vary

    @classmethod
    def of(cls, values: Array, returns: Array) -> Calibration:
        """Of values and returns of the same steps, ``[N]`` each."""
        bias, spread = float(values.mean() - returns.mean()), float(returns.std())
        slope = float("nan")
        if np.ptp(values) > 0:
            slope = float(np.cov(values, returns, ddof=0)[0, 1] / values.var())
        relative = bias / spread if np.ptp(returns) > 0 else float("nan")
        return cls(correlation(values, returns), slope, bias, relative)


@torch.no_grad()
def value_calibration(
    environment: RoboticSequence,
    actor: Actor,
    critics: Critics,
    stage: int,
    seeds: list[int],
    generator: torch.Generator,
) -> Calibration:
    """How ``min_j Q_j(s, a)`` agrees with the soft return over all steps of episodes in one stage.

    Actions are sampled, as the critics' targets sample them; the temperature is the stage's own. Every
    episode ends for the value function, so returns are complete.
    """
    observations, actions, rewards, log_probs, ends = [], [], [], [], []
    for seed in seeds:
        observation, _ = environment.reset(seed=seed, options={"stages": (stage,)})
        terminated = False
        while not terminated:
            outputs = actor.outputs(torch.from_numpy(observation)[None])
            noise = torch.randn(1, actor.action_size, generator=generator)
            action, log_prob = squashed_sample(outputs, noise)
            observations.append(observation)
            observation, reward, terminated, _, info = environment.step(action[0].numpy())
            actions.append(action[0])
            rewards.append(reward)
            log_probs.append(log_prob.item())
            ends.append(bool(info["value_terminal"]))
    values = critics.values(torch.from_numpy(np.stack(observations)), torch.stack(actions)).amin(0)
    alpha = critics.log_temperature[stage].exp().item()
    gamma = actor.options.gamma
    returns = soft_returns(np.array(rewards), np.array(log_probs), np.array(ends), alpha, gamma)
    return Calibration.of(values.numpy().astype(np.float64), returns)


@dataclass(frozen=True)
class Verdict:
    """What was measured of pi* after ``step`` environment steps, by known stage (its probe's name)."""

    step: int
    success: dict[str, float]  # the lower rate of the first and the confirming episodes
    sampled: dict[str, float]  # success of sampled actions
    calibration: dict[str, Calibration]  # of the critics
    continued: dict[str, float] = field(default_factory=dict)  # while SAC went on; empty if it did not

    @property
    def correlation(self) -> dict[str, float]:
        """The critics' correlation by stage."""
        return {name: found.correlation for name, found in self.calibration.items()}

    def values(self) -> dict[str, Any]:
        """As JSON, which has no NaN: None instead."""
        calibration = {
            name: {key: None if math.isnan(value) else value for key, value in asdict(found).items()}
            for name, found in self.calibration.items()
        }
        return asdict(self) | {"calibration": calibration}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Verdict:
        """From :meth:`values`."""
        calibration = {
            name: Calibration(**{key: math.nan if value is None else value for key, value in found.items()})
            for name, found in values["calibration"].items()
        }
        return cls(**dict(values) | {"calibration": calibration})

    def metrics(self) -> dict[str, float]:
        """Rows of the training table."""
        kinds = {"confirmed": self.success, "sampled": self.sampled, "continued": self.continued}
        found = {
            f"{kind}_success_{name}": rate for kind, rates in kinds.items() for name, rate in rates.items()
        }
        for name, calibration in self.calibration.items():
            found |= {f"value_{key}_{name}": value for key, value in asdict(calibration).items()}
        return found | {"accepted_success": min(self.success.values())}

    def shown(self) -> str:
        """All of it in one line, for the log."""
        kinds = {"success": self.success, "sampled": self.sampled, "value correlation": self.correlation}
        found = kinds | ({"success while SAC goes on": self.continued} if self.continued else {})
        return "; ".join(f"{kind} {_shown(values)}" for kind, values in found.items())

    def solved(self, least: float) -> bool:
        """Whether every stage is solved at a rate of ``least``."""
        return min(self.success.values()) >= least

    def known_to_critics(self, least: float | None) -> bool:
        """Whether the critics' values correlate at least so well in every stage; None: not asked."""
        return least is None or all(value >= least for value in self.correlation.values())  # NaN is not

    def solved_by_samples(self, least: float | None) -> bool:
        """Whether sampled actions solve every stage at a rate of ``least``; None: not asked."""
        return least is None or min(self.sampled.values()) >= least

    def kept(self, least: float) -> bool:
        """Whether SAC kept every stage at a rate of ``least`` while it went on; True if it did not."""
        return all(rate >= least for rate in self.continued.values())


class Examiner:
    """Measures pi* in its stages, on streams that training does not use."""

    def __init__(self, environment: EnvironmentOptions, options: PretrainOptions, seed: int) -> None:
        self.environment, self.options = RoboticSequence(environment), options
        self.stream = stream_of(seed, "probes of pretrain")
        names = probe_names(environment.stages)
        self.names: Mapping[int, str] = dict(enumerate(names))
        self.known = environment.pretrained_stages

    def first_rates(self, actor: Actor, stages: tuple[int, ...] | None = None) -> dict[str, float]:
        """Success of the policy's mean by stage, by default in known ones; the same episodes each time."""
        seeds = self._seeds(FIRST)
        return self._rates(deterministic(actor), self.known if stages is None else stages, seeds)

    def examine(
        self, step: int, actor: Actor, critics: Critics, first: Mapping[str, float] | None = None
    ) -> Verdict:
        """The verdict on pi*; success is that on the first episodes or on fresh ones, whichever is lower.

        How SAC keeps it is not measured here.

        Args:
            step: environment steps that it was trained for; each step has fresh episodes of its own.
            actor: pi*.
            critics: its critics.
            first: the result of :meth:`first_rates`, if it is known.
        """
        first = first or self.first_rates(actor)
        fresh = self._rates(deterministic(actor), self.known, self._seeds(CONFIRMATION, step))
        generator = generator_of(*self.stream, ACTIONS, step)
        starts = self._seeds(STARTS, step)
        found = {
            self.names[stage]: value_calibration(self.environment, actor, critics, stage, starts, generator)
            for stage in self.known
        }
        lower = {name: min(rate, fresh[name]) for name, rate in first.items()}
        return Verdict(step, lower, self._sampled_rates(step, actor), found)

    def continued_rates(self, step: int, check: int, actor: Actor) -> dict[str, float]:
        """Success of the policy's mean by known stage, in a check while SAC goes on from pi* of ``step``."""
        return self._rates(deterministic(actor), self.known, self._seeds(CONTINUED, step, check))

    def passes(self, verdict: Verdict) -> bool:
        """Whether training may stop."""
        options = self.options
        return (
            verdict.solved(options.stop_success)
            and verdict.solved_by_samples(options.least_sampled_success)
            and verdict.known_to_critics(options.least_value_correlation)
            and verdict.kept(options.least_continued_success)
        )

    def accept(self, verdict: Verdict) -> None:
        """Let a policy pass whose training is over, as the options allow it.

        Raises:
            UnacceptablePolicy: it does not solve its stages, its critics do not know it, or SAC loses it.
        """
        self._accept_success(verdict)
        options = self.options
        if not verdict.known_to_critics(options.least_value_correlation):
            raise UnacceptablePolicy(
                "pi*'s critics do not know it: their values correlate with the returns of its rollouts at "
                f"{_shown(verdict.correlation)}, below pretrain.least_value_correlation, "
                f"{options.least_value_correlation:g}; raise pretrain.steps (recipe clone: "
                "pretrain.clone.critic_updates and critic_transitions), or lower the bound knowingly"
            )
        if not verdict.kept(options.least_continued_success):
            raise UnacceptablePolicy(
                "SAC does not keep pi* in the pre-trained stages alone: success over "
                f"{options.continued_updates} further updates is {_shown(verdict.continued)}, below "
                f"pretrain.least_continued_success, {options.least_continued_success:g}, so its loss in "
                "fine-tuning would not be for want of visits; raise pretrain.steps, lower the learning "
                "rates, or lower the bound knowingly"
            )

    def _accept_success(self, verdict: Verdict) -> None:
        options, rates = self.options, _shown(verdict.success)
        if not verdict.solved(options.stop_success):
            lowest = min(verdict.success.values())
            if options.accept_below is None or lowest < options.accept_below:
                raise UnacceptablePolicy(
                    f"pi* solves its stages at {rates} after {verdict.step} steps, which is below "
                    f"pretrain.stop_success, {options.stop_success:g}; raise pretrain.steps, or set "
                    f"pretrain.accept_below to the lowest rate you accept, e.g. {lowest:g}"
                )
            logger.warning("pi* is accepted below stop_success: it solves its stages at %s", rates)
        if not verdict.solved_by_samples(options.least_sampled_success):
            raise UnacceptablePolicy(
                f"pi*'s sampled actions solve its stages at {_shown(verdict.sampled)} after {verdict.step} "
                f"steps, which is below pretrain.least_sampled_success, {options.least_sampled_success:g}; "
                "raise pretrain.steps, or lower the bound knowingly"
            )

    def _seeds(self, *use: int) -> list[int]:
        return short_seeds_of(*self.stream, *use, count=self.options.probe_episodes)

    def _sampled_rates(self, step: int, actor: Actor) -> dict[str, float]:
        act = sampled(actor, generator_of(*self.stream, SAMPLED_ACTIONS, step))
        return self._rates(act, self.known, self._seeds(SAMPLED, step))

    def _rates(self, act: Act, stages: tuple[int, ...], seeds: list[int]) -> dict[str, float]:
        return {self.names[stage]: success_rate(self.environment, act, stage, seeds) for stage in stages}


def _shown(values: Mapping[str, float]) -> str:
    return ", ".join(f"{value:.2f} ({name})" for name, value in values.items())
