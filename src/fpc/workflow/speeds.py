"""How fast each kind of work is, and where each number comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from fpc.core.errors import ConfigError
from fpc.core.files import read_json, write_json
from fpc.lineage.artifact import RESULTS, Row
from fpc.lineage.manifest import ManifestError, read
from fpc.workflow.configuration import PlanSection

SPEEDS = RESULTS / ".speeds"


@dataclass(frozen=True)
class MeasuredSpeed:
    """The speed of one phase of a domain on one machine: an entry of ``results/.speeds/<label>.json``."""

    steps_per_second: float
    steps: int  # measured ones, start-up excluded
    seconds: float
    device: str  # the GPU's name, or cpu
    processor: str
    cores: int  # that the process could use
    date: str
    commit: str | None

    @property
    def origin(self) -> str:
        """Where and when, in words."""
        where = self.processor if self.device == "cpu" else f"{self.device}, {self.processor}"
        return f"{where}, {self.cores} cores, {self.date[:10]}"


Speeds = Mapping[str, Mapping[str, MeasuredSpeed]]  # domain -> phase -> its speed


@dataclass(frozen=True)
class Speed:
    """A speed and its source: `measured`, `assumed` or `unknown`."""

    steps_per_second: float | None
    source: str
    origin: str


def speeds_file(label: str) -> Path:
    """Where the measured speeds of a scale (and variant) are."""
    return SPEEDS / f"{label}.json"


def read_speeds(label: str) -> Speeds:
    """Measured speeds of a scale; empty if there are none.

    Raises:
        ConfigError: the file is not one of measured speeds.
    """
    path = speeds_file(label)
    if not path.exists():
        return {}
    try:
        return TypeAdapter(dict[str, dict[str, MeasuredSpeed]]).validate_python(read_json(path))
    except ValueError as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise ConfigError(
            f"{path}: no file of measured speeds ({reason}); remove it and measure again"
        ) from error


def write_speeds(label: str, speeds: Speeds) -> Path:
    """Write measured speeds, keeping those of other domains and phases."""
    content: dict[str, dict[str, Any]] = {}
    for source in (read_speeds(label), speeds):
        for domain, phases in source.items():
            content.setdefault(domain, {}).update({phase: asdict(value) for phase, value in phases.items()})
    write_json(speeds_file(label), content)
    return speeds_file(label)


def speed_of(plan: PlanSection, measured: Speeds, domain: str, phase: str) -> Speed:
    """The speed that the plan uses for runs that were not made yet: a measured one before an assumed one."""
    if (found := measured.get(domain, {}).get(phase)) is not None:
        return Speed(found.steps_per_second, "measured", found.origin)
    assumed = plan.steps_per_second.get(domain, {}).get(phase)
    if assumed is None:
        return Speed(None, "unknown", "plan.steps_per_second does not have it")
    return Speed(assumed, "assumed", plan.speed_sources.get(domain, "hardware not stated"))


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
