"""finetune: train one method from pi* (scratch: from a new initialisation)."""

from __future__ import annotations

from fpc.workflow.configuration import Configuration
from fpc.workflow.execution import execute_domain_phase


def finetune(configuration: Configuration, experiment: str, method: str, seeds: tuple[int, ...]) -> None:
    """Run the phase for one method and its seeds and publish its artifact."""
    execute_domain_phase(configuration, "finetune", experiment, method, seeds)
