"""What a configuration will run, how long that should take, and how much disk it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from fpc.core.tables import PI_STAR
from fpc.domains.registry import load_domain
from fpc.lineage.artifact import RUN_PHASES, Row
from fpc.workflow.configuration import Configuration
from fpc.workflow.disk import Part, parts, phase_part
from fpc.workflow.run_table import rows, used_experiments
from fpc.workflow.speeds import Speed, Speeds, measured_seconds, speed_of

GB = 1e9
SOURCES = {
    "runs": "hours are those of the phase's runs made so far",
    "measured": "hours follow from a speed that `fpc measure` measured",
    "assumed": "hours follow from plan.steps_per_second in the configuration; `fpc measure` replaces it",
    "unknown": "no speed is known: counted as 0 hours",
}


@dataclass(frozen=True)
class PhasePlan:
    """The runs of one phase of an experiment."""

    experiment: str
    domain: str
    phase: str
    runs: int
    timed: int  # made without interruption, so that their time is known
    steps: int  # of one run; environment steps, or updates where no environment is stepped
    seconds: float  # process seconds of all runs
    gpu_seconds: float
    core_seconds: float  # with the cores that the jobs request
    source: str  # of the seconds: a key of SOURCES
    origin: str  # in words: hardware and date
    disk: Part


def phase_plans(configuration: Configuration, measured: Speeds) -> list[PhasePlan]:
    """One entry for each phase of each experiment.

    Args:
        configuration: the configuration of a scale.
        measured: speeds measured with `fpc measure`.
    """
    table = rows(configuration)
    return [
        _phase_plan(
            configuration,
            measured,
            experiment,
            phase,
            [row for row in table if row.experiment == experiment and row.phase == phase],
        )
        for experiment in used_experiments(configuration)
        for phase in RUN_PHASES
    ]


def _phase_plan(
    configuration: Configuration, measured: Speeds, experiment: str, phase: str, chosen: list[Row]
) -> PhasePlan:
    section = configuration.experiments[experiment]
    domain = load_domain(section.domain)
    steps = _counted(domain.training_steps(section, phase))
    speed = speed_of(configuration.plan, measured, section.domain, phase)
    own = [row for row in chosen if row.method == PI_STAR]
    others = [row for row in chosen if row.method != PI_STAR]
    own_made, others_made = measured_seconds(own), measured_seconds(others)
    made = own_made + others_made
    request = configuration.plan.resources(section.domain, phase)
    seconds = _seconds(len(others), others_made, steps, speed)
    if own:
        seconds += _seconds(len(own), own_made, _counted(domain.pi_star_steps(section)), speed)
    return PhasePlan(
        experiment,
        section.domain,
        phase,
        len(chosen),
        len(made),
        steps,
        seconds,
        seconds * request.gpus,
        seconds * request.cpus,
        "runs" if made else speed.source,
        "" if made else speed.origin,
        phase_part(configuration, experiment, phase, chosen),
    )


def _seconds(count: int, made: Sequence[float], steps: int, speed: Speed) -> float:
    """Expected seconds of ``count`` runs alike: as those ``made`` so far, else ``steps`` at the speed."""
    if made:
        return count * sum(made) / len(made)
    return count * steps / speed.steps_per_second if speed.steps_per_second else 0.0


def _counted(work: Mapping[str, int]) -> int:
    """Environment steps; updates in a domain with exact values, which does not step an environment."""
    return work["environment_steps"] or work["updates"]


def plan_text(configuration: Configuration, measured: Speeds) -> str:
    """Runs, steps, hours and disk by experiment and phase, their sums, and where the numbers come from."""
    plans = phase_plans(configuration, measured)
    jobs = len(rows(configuration))
    head = (
        f"{'experiment':<34} {'phase':<9} {'runs':>5} {'timed':>5} {'steps per run':>14} {'hours':>8} "
        f"{'GPU hours':>9} {'GB':>7} {'files':>7}  from"
    )
    total = sum(plan.seconds for plan in plans) / 3600
    on_gpus = sum(plan.gpu_seconds for plan in plans) / 3600
    on_cores = sum(plan.core_seconds for plan in plans) / 3600
    processes = configuration.plan.processes
    by_phase = {(plan.experiment, plan.phase): plan.disk for plan in plans}
    return "\n".join(
        [
            f"scale {configuration.label}: {jobs} jobs",
            head,
            *map(_line, plans),
            f"figures, claims and report: {jobs - sum(plan.runs for plan in plans)} jobs",
            f"about {total:.2f} process hours, {total / processes:.2f} hours with {processes} in parallel; "
            f"of these {on_gpus:.2f} GPU hours; {on_cores:.2f} core hours as jobs request them",
            *_origins(plans),
            *disk_lines(parts(configuration, cuda=on_gpus > 0, runs=by_phase)),
        ]
    )


def _line(plan: PhasePlan) -> str:
    return (
        f"{plan.experiment:<34} {plan.phase:<9} {plan.runs:>5} {plan.timed:>5} {plan.steps:>14,} "
        f"{plan.seconds / 3600:>8.3f} {plan.gpu_seconds / 3600:>9.2f} {plan.disk.bytes / GB:>7.2f} "
        f"{plan.disk.files:>7,}  {plan.source}"
    )


def _origins(plans: Iterable[PhasePlan]) -> list[str]:
    """Where each speed comes from, once for all phases with the same origin."""
    grouped: dict[tuple[str, str, str], list[str]] = {}
    for plan in plans:
        phases = grouped.setdefault((plan.source, plan.domain, plan.origin), [])
        phases += [] if plan.phase in phases else [plan.phase]
    lines = [
        f"{source}: {text}" for source, text in SOURCES.items() if any(key[0] == source for key in grouped)
    ]
    for (source, domain, origin), phases in grouped.items():
        if origin:
            lines.append(f"  {source} {domain} ({', '.join(phases)}): {origin}")
    return lines


def disk_lines(found: Iterable[Part]) -> list[str]:
    """The table of disk and inodes, and its sum."""
    found = list(found)
    lines = [f"{'disk':<44} {'GB':>8} {'files':>9}  from"]
    lines += [f"  {part.name:<42} {part.bytes / GB:>8.2f} {part.files:>9,}  {part.source}" for part in found]
    size, files = sum(part.bytes for part in found), sum(part.files for part in found)
    return [*lines, f"  {'all of it':<42} {size / GB:>8.2f} {files:>9,}"]
