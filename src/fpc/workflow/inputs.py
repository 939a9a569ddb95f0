"""Third-party inputs that runs need: found missing before anything starts, never downloaded by a job."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fpc.domains.interface import NeededInput
from fpc.domains.registry import load_domain
from fpc.workflow.configuration import Configuration
from fpc.workflow.run_table import rows


def needed_inputs(configuration: Configuration, experiments: Iterable[str]) -> dict[str, list[NeededInput]]:
    """Experiment -> the third-party inputs that its runs read, present or not."""
    sections = {name: configuration.experiments[name] for name in experiments}
    return {name: load_domain(section.domain).needed_inputs(section) for name, section in sections.items()}


def missing_inputs(configuration: Configuration, jobs: Iterable[tuple[str | None, str]]) -> list[NeededInput]:
    """Inputs that are missing or wrong, once each, of those that some jobs read.

    Args:
        configuration: the configuration.
        jobs: experiment and phase of each job.
    """
    wanted = set(jobs)
    experiments = sorted({experiment for experiment, _ in wanted if experiment is not None})
    found: dict[Path, NeededInput] = {}
    for experiment, inputs in needed_inputs(configuration, experiments).items():
        for item in inputs:
            if item.problem is not None and any((experiment, phase) in wanted for phase in item.phases):
                found.setdefault(item.path, item)
    return list(found.values())


def unmade_jobs(configuration: Configuration) -> list[tuple[str | None, str]]:
    """Experiment and phase of every row without a manifest."""
    return [(row.experiment, row.phase) for row in rows(configuration) if not row.manifest.exists()]


def missing_text(title: str, missing: Iterable[NeededInput]) -> str:
    """One message about all missing inputs, with the commands that get them."""
    lines = [
        f"{title} is to be made from inputs that are not here; get them on a machine with network access:"
    ]
    for item in missing:
        lines.append(f"  {item.path} ({item.problem}; read by {', '.join(item.phases)})")
        lines += [f"    {command}" for command in item.commands]
    return "\n".join(lines)


def missing_note(configuration: Configuration) -> str | None:
    """What to fetch before the artifacts that are not made yet can be made; None if nothing is missing."""
    missing = missing_inputs(configuration, unmade_jobs(configuration))
    return missing_text(f"scale {configuration.label}", missing) if missing else None
