"""Whether the parts of a configuration fit each other; errors name the file that set a key."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fpc.core.errors import ConfigError, unknown
from fpc.domains.registry import domain_names, load_domain
from fpc.figures.catalogue import figure_entry, figure_names
from fpc.lineage.artifact import RUN_PHASES
from fpc.workflow.configuration import Configuration, PlanSection

CONFIGS = Path("configs")
BASE = "paper"
Origin = dict[tuple[str, ...], str]  # key -> the file that set it last


def where(path: tuple[str, ...], origin: Origin) -> str:
    """'file: key: ' for the file that set ``path`` or its nearest parent key."""
    for length in range(len(path), 0, -1):
        if path[:length] in origin:
            return f"{origin[path[:length]]}: {'.'.join(path)}: "
    return f"{CONFIGS / BASE}.yaml: {'.'.join(path)}: "


def is_base(path: tuple[str, ...], origin: Origin) -> bool:
    """Whether a key has the value of the base configuration."""
    return Path(origin.get(path, f"{BASE}.yaml")).stem == BASE


def check_figures(configuration: Configuration, origin: Origin) -> None:
    """Check that figures exist and that what they read is configured."""
    at = where(("figure", "names"), origin)
    for name, count in Counter(configuration.figure.names).items():
        if count > 1:
            raise ConfigError(at + f"{name} is listed {count} times; list it once.")
        if name not in figure_names():
            raise ConfigError(at + unknown("figure", name, figure_names()))
        for experiment in figure_entry(name).experiments:
            if not fnmatch.filter(configuration.experiments, experiment):
                _check_domains(configuration, origin)
                listed = ", ".join(configuration.experiments)
                raise ConfigError(
                    at + f"{name} reads experiment '{experiment}', which is not configured "
                    f"(configured: {listed}). Remove {name}, or use a variant that declares it."
                )


def _check_domains(configuration: Configuration, origin: Origin) -> None:
    """Check that ``domains`` does not leave out what figures read that another file lists.

    (A variant that lists figures itself may just not be meant for the scale.)
    """
    file, listed = origin.get(("domains",)), Path(origin.get(("figure", "names"), ""))
    if file is None or file == str(listed) or listed.parent.name == "variants":
        return
    drawn = {
        name: all(fnmatch.filter(configuration.experiments, item) for item in figure_entry(name).experiments)
        for name in configuration.figure.names
    }
    without = ", ".join(name for name, fits in drawn.items() if not fits)
    possible = ", ".join(name for name, fits in drawn.items() if fits) or "none"
    raise ConfigError(
        f"{file}: domains: leaves out what these figures read: {without}. Set figure.names in this file; "
        f"those that it can draw: {possible}."
    )


def check_plan(plan: PlanSection, origin: Origin) -> None:
    """Check that the domains and phases of the plan exist."""
    tables: dict[str, Mapping[str, Any]] = {
        "steps_per_second": plan.steps_per_second,
        "jobs": plan.jobs,
        "speed_sources": plan.speed_sources,
    }
    for table, domains in tables.items():
        for domain, phases in domains.items():
            at = ("plan", table, domain)
            if domain not in domain_names():
                raise ConfigError(where(at, origin) + unknown("domain", domain, domain_names()))
            for phase in phases if isinstance(phases, dict) else ():
                if phase not in RUN_PHASES:
                    raise ConfigError(where((*at, phase), origin) + unknown("phase", phase, RUN_PHASES))


def check_devices(configuration: Configuration, origin: Origin) -> None:
    """Check that only phases that can use a GPU ask for one."""
    for name in sorted(configuration.domains):
        possible = load_domain(name).gpu_phases
        for phase in RUN_PHASES:
            if configuration.plan.device(name, phase) == "cuda" and phase not in possible:
                can = ", ".join(known for known in RUN_PHASES if known in possible) or "none"
                raise ConfigError(
                    where(("plan", "jobs", name, phase, "gpus"), origin)
                    + f"{phase} of {name} runs on CPUs only; set it to 0. Phases that can use a GPU: {can}."
                )
