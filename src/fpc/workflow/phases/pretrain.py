"""pretrain: train pi*, once per experiment (or once per seed); all methods share it."""

from __future__ import annotations

from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import execute_domain_phase


def pretrain(configuration: Configuration, experiment: str, seeds: tuple[int, ...]) -> None:
    """Run the phase for the pi* with these seeds and publish its artifact."""
    execute_domain_phase(configuration, "pretrain", experiment, None, seeds)
