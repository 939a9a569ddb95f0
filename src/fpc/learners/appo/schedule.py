"""APPO's learning rate, which depends on the number of the update alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sample_factory.algo.learning.learner import LearningRateScheduler

from fpc.learners.appo.options import APPOOptions


def schedule_updates(options: APPOOptions, steps: int) -> int:
    """Number of updates over which the learning rate falls to 0, in a run of ``steps`` environment steps.

    As in Sample Factory's ``LinearDecayScheduler``. Warm-up steps count towards the horizon, although no
    update is made in them: a run with a warm-up ends at a rate above 0, as the released NetHack runs do.
    """
    horizon = options.learning_rate_horizon or steps
    return max(1, horizon // options.batch_size * options.epochs)


class LinearSchedule(LearningRateScheduler):  # type: ignore[misc]
    """Linear from the initial rate to 0 after ``updates`` updates; ``done``: the number made so far."""

    def __init__(self, initial: float, updates: int, done: Callable[[], int]) -> None:
        self.initial, self.updates, self.done = initial, updates, done

    def invoke_after_each_minibatch(self) -> bool:
        """True: Sample Factory updates the rate after every minibatch."""
        return True

    def update(self, current_lr: float, recent_kls: Any) -> float:
        """The learning rate of the next update."""
        rate: float = self.initial * max(0.0, 1.0 - self.done() / self.updates)
        return rate
