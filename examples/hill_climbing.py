"""Hill climbing: keep a random change of the policy's parameters unless the score drops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from fpc.core.seeds import rng_of
from fpc.learners.interface import Learner, Specification, Trained, Weights


@dataclass(frozen=True, kw_only=True)
class HillClimbingSpecification(Specification):
    """Named parameters in [0, 1]; ``steps`` and ``milestones`` count proposals."""

    score: Callable[[Mapping[str, float]], float]
    start: Mapping[str, float]
    deviation: float  # standard deviation of a change


class HillClimbing(Learner[HillClimbingSpecification]):
    """Without gradients, it provides nothing to retention methods."""

    name: ClassVar[str] = "hill_climbing"

    def train(self, specification: HillClimbingSpecification) -> Trained:
        """Each proposal has its own random stream, so a checkpoint is the parameters, log and step."""
        from fpc.core.checkpoint import load_checkpoint, save_checkpoint
        from fpc.core.metric_log import MetricLog

        log, policy, first = MetricLog(), dict(specification.start), 0
        if (checkpoint := load_checkpoint(specification.state)) is not None:
            policy = {name: value.item() for name, value in checkpoint.tensors.items() if name != "log"}
            log.restore(checkpoint.state["metrics"], checkpoint.tensors["log"])
            first = checkpoint.step
        for step in range(first, specification.steps + 1):
            if step in specification.milestones:
                if specification.on_milestone is not None:
                    specification.on_milestone(step, _weights(policy), {})
                tensors = {**_weights(policy), "log": log.tensor()}
                save_checkpoint(specification.state, step, tensors, {"metrics": log.names})
            policy = _better(policy, specification, step)
            log.add(step, score=specification.score(policy))
            specification.report(step, specification.steps)
        return Trained(_weights(policy), {}, log.table(specification.seed))


def _better(
    policy: dict[str, float], specification: HillClimbingSpecification, step: int
) -> dict[str, float]:
    """The proposal, or the current policy if the proposal is worse."""
    rng = rng_of(specification.seed, step)
    changes = {name: value + specification.deviation * rng.normal() for name, value in policy.items()}
    proposal = {name: min(max(float(value), 0.0), 1.0) for name, value in changes.items()}
    return proposal if specification.score(proposal) >= specification.score(policy) else policy


def _weights(policy: Mapping[str, float]) -> Weights:
    import torch

    return {name: torch.tensor(value, dtype=torch.float64) for name, value in policy.items()}
