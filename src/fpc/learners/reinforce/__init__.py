"""REINFORCE for many small runs trained side by side."""

from __future__ import annotations

from typing import ClassVar

from fpc.learners.interface import Learner, Trained
from fpc.learners.reinforce.specification import ReinforceSpecification
from fpc.retention.interface import Need


class Reinforce(Learner[ReinforceSpecification]):
    """REINFORCE: on-policy, without a critic."""

    name: ClassVar[str] = "reinforce"
    provides: ClassVar[frozenset[Need]] = frozenset(
        {Need.TEACHER, Need.EXPERT_DATA, Need.ONLINE_OBSERVATIONS}
    )

    def train(self, specification: ReinforceSpecification) -> Trained:
        """See :func:`fpc.learners.reinforce.train.train`."""
        from fpc.learners.reinforce.train import train

        return train(specification)


__all__ = ["Reinforce", "ReinforceSpecification"]
