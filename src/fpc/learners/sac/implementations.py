"""The choice between the two implementations of the update."""

from __future__ import annotations

import torch

from fpc.learners.sac.fast_update import FastUpdater
from fpc.learners.sac.networks import Actor, Critics
from fpc.learners.sac.options import SACOptions
from fpc.learners.sac.update import Updater
from fpc.retention.interface import RetentionMethod


def make_updater(
    actor: Actor,
    critics: Critics,
    targets: Critics,
    options: SACOptions,
    generator: torch.Generator,
    method: RetentionMethod | None = None,
) -> Updater:
    """The updater that ``options.implementation`` names.

    Raises:
        ValueError: ``fast`` with networks that are not on the CPU.
    """
    updater = {"plain": Updater, "fast": FastUpdater}[options.implementation]
    return updater(actor, critics, targets, options, generator, method)
