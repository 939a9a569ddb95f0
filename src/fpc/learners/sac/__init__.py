"""Soft Actor-Critic with a head for each stage, retention methods and exact resumes."""

from __future__ import annotations

from typing import ClassVar

from fpc.learners.interface import Learner, Trained
from fpc.learners.sac.specification import SACSpecification
from fpc.retention.interface import Need


class SAC(Learner[SACSpecification]):
    """Off-policy, with a replay buffer that a method may use."""

    name: ClassVar[str] = "sac"
    provides: ClassVar[frozenset[Need]] = frozenset(Need)

    def train(self, specification: SACSpecification) -> Trained:
        """See :func:`fpc.learners.sac.train.train`."""
        from fpc.learners.sac.train import train

        return train(specification)


__all__ = ["SAC", "SACSpecification"]
