"""What a configuration will run, and how long that should take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fpc.core.tables import PI_STAR
from fpc.domains.registry import load_domain
from fpc.lineage.artifact import RUN_PHASES, Row
from fpc.lineage.manifest import ManifestError, read
from fpc.workflow.configuration import Configuration
from fpc.workflow.run_table import rows, used_experiments


def measured_seconds(table: Iterable[Row]) -> list[float]:
    """Durations of the rows that have been made, in seconds, from their manifests."""
    found = []
    for row in table:
        try:
            metadata = read(row.manifest).details["metadata"]
            if metadata["attempts"] == 1:  # seconds are those of the last attempt only
                found.append(float(metadata["seconds"]))
        except (ManifestError, KeyError):
            continue
    return found


def plan_text(configuration: Configuration) -> str:
    """Runs, steps and hours by experiment and phase, and their sums."""
    table = rows(configuration)
    lines = [
        f"scale {configuration.label}: {len(table)} jobs",
        f"{'experiment':<34} {'phase':<9} {'runs':>5} {'done':>5} {'steps per run':>14} {'hours':>8} "
        f"{'GPU hours':>9}  from",
    ]
    total, on_gpus = 0.0, 0.0
    for experiment in used_experiments(configuration):
        for phase in RUN_PHASES:
            chosen = [row for row in table if row.experiment == experiment and row.phase == phase]
            line, hours, gpu_hours = _phase_line(configuration, experiment, phase, chosen)
            lines.append(line)
            total += hours
            on_gpus += gpu_hours
    others = [row for row in table if row.experiment is None]
    lines.append(f"figures, claims and report: {len(others)} jobs")
    processes = configuration.plan.processes
    lines.append(
        f"about {total:.2f} process hours, {total / processes:.2f} hours with {processes} in parallel; "
        f"of these {on_gpus:.2f} GPU hours"
    )
    return "\n".join(lines)


def _phase_line(
    configuration: Configuration, experiment: str, phase: str, chosen: list[Row]
) -> tuple[str, float, float]:
    section = configuration.experiments[experiment]
    domain = load_domain(section.domain)
    steps = _counted(domain.training_steps(section, phase))
    speed = configuration.plan.steps_per_second.get(section.domain, {}).get(phase)
    own = [row for row in chosen if row.method == PI_STAR]
    others = [row for row in chosen if row.method != PI_STAR]
    measured = measured_seconds(chosen)
    seconds = _seconds(others, steps, speed)
    if own:
        seconds += _seconds(own, _counted(domain.pi_star_steps(section)), speed)
    source = "measured" if measured else "expected" if speed else "unknown"
    hours = seconds / 3600
    counts = f"{len(chosen):>5} {len(measured):>5} {steps:>14,}"
    gpu_hours = hours * configuration.plan.resources(section.domain, phase).gpus
    line = f"{experiment:<34} {phase:<9} {counts} {hours:>8.3f} {gpu_hours:>9.2f}  {source}"
    return line, hours, gpu_hours


def _seconds(chosen: list[Row], steps: int, speed: float | None) -> float:
    """Expected seconds of runs alike: those of the runs made so far, else ``steps`` at the assumed speed."""
    if measured := measured_seconds(chosen):
        return len(chosen) * sum(measured) / len(measured)
    return len(chosen) * steps / speed if speed else 0.0


def _counted(work: Mapping[str, int]) -> int:
    """Environment steps; updates in a domain with exact values, which does not step an environment."""
    return work["environment_steps"] or work["updates"]
