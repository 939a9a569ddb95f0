"""collect: collect the expert data of pi* and the start states of the probes."""

from __future__ import annotations

from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import execute_domain_phase


def collect(configuration: Configuration, experiment: str, seeds: tuple[int, ...]) -> None:
    """Run the phase for the pi* with these seeds and publish its artifact."""
    execute_domain_phase(configuration, "collect", experiment, None, seeds)
