"""APPO on Sample Factory 2.1.1, subclassed to add retention terms, frozen parts and exact resumption.

``job`` describes a run, ``actor_critic`` holds student and teacher, ``learner`` adds the method's term and
writes checkpoints, ``sampling`` continues games after a kill, ``policies`` wraps the networks for retention
methods, and ``train`` is the entry point.
"""

from __future__ import annotations

from typing import ClassVar

from fpc.learners.appo.specification import APPOSpecification, Call
from fpc.learners.interface import Learner, Trained
from fpc.retention.interface import Need


class APPO(Learner[APPOSpecification]):
    """APPO: on-policy, asynchronous or serial, without a replay buffer."""

    name: ClassVar[str] = "appo"
    provides: ClassVar[frozenset[Need]] = frozenset(Need) - {Need.REPLAY_BUFFER}

    def train(self, specification: APPOSpecification) -> Trained:
        """See :func:`fpc.learners.appo.train.train`."""
        from fpc.learners.appo.train import train

        return train(specification)


__all__ = ["APPO", "APPOSpecification", "Call"]
