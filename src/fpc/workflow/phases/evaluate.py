"""evaluate: run every probe on every milestone of a fine-tuned run."""

from __future__ import annotations

from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import execute_domain_phase


def evaluate(configuration: Configuration, experiment: str, method: str, seeds: tuple[int, ...]) -> None:
    """Run the phase for one method and its seeds and publish its artifact."""
    execute_domain_phase(configuration, "evaluate", experiment, method, seeds)
