"""How much disk a configuration needs: bytes and files (inodes) of each part, with their sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fpc.domains.footprint import TABLES, Footprint
from fpc.domains.registry import load_domain
from fpc.lineage.artifact import RESULTS, RUN_PHASES, Row, is_heavy
from fpc.lineage.manifest import ManifestError, read
from fpc.workflow.configuration import Configuration
from fpc.workflow.inputs import needed_inputs
from fpc.workflow.run_table import rows, used_experiments

RECORDED = ("pretrain", "collect", "finetune")  # phases of whose files DVC's cache keeps a second copy
ENVIRONMENT = (2_400_000_000, 88_000, "measured on Linux, CPU build of torch")
ENVIRONMENT_CUDA = (8_000_000_000, 92_000, "the CPU build as measured, CUDA's libraries as estimated")
OTHER_FILES = 2  # of a fine-tuned run, beside its milestones: table, manifest
FIGURE = (1_000_000, 5)  # SVG, PNG, CSV, manifest


@dataclass(frozen=True)
class Part:
    """One part of what is needed; ``made`` is what is already there of it, ``kept`` what DVC keeps of it."""

    name: str
    bytes: int
    files: int
    source: str
    made_bytes: int = 0
    made_files: int = 0
    kept_bytes: int = 0
    kept_files: int = 0


def phase_part(configuration: Configuration, experiment: str, phase: str, chosen: list[Row]) -> Part:
    """What the runs of a phase keep: like those made so far, or estimated from networks and data."""
    section = configuration.experiments[experiment]
    expected = load_domain(section.domain).footprint(section, phase)
    planned = _expected_sizes(phase, expected) if phase in RECORDED else {}
    made, kept = [], []
    for row in chosen:
        sizes = _sizes_of(row)
        if sizes is not None:
            made.append(Footprint(sum(sizes.values()), len(sizes) + 1))
        heavy = planned if sizes is None else {name: sizes[name] for name in sizes if is_heavy(name)}
        if phase in RECORDED:
            kept += [heavy[name] for name in configuration.record.kept(row, heavy)]
    size, files = sum(item.bytes for item in made), sum(item.files for item in made)
    left, source = len(chosen) - len(made), "computed"
    if made:
        expected = Footprint(size // len(made), files // len(made))
        source = "made"
    return Part(
        f"{experiment} {phase}",
        size + left * expected.bytes,
        files + left * expected.files,
        source,
        size,
        files,
        sum(kept),
        len(kept),
    )


def _sizes_of(row: Row) -> dict[str, int] | None:
    """Name -> bytes of an artifact's files, from its manifest; None if it has not been made."""
    try:
        return {item["name"]: int(item.get("size", 0)) for item in read(row.manifest).statement["subject"]}
    except (ManifestError, KeyError):
        return None


def parts(
    configuration: Configuration, *, cuda: bool, runs: Mapping[tuple[str, str], Part] | None = None
) -> list[Part]:
    """Everything that a configuration puts on the disk.

    Args:
        configuration: the configuration of a scale.
        cuda: whether the environment has torch's CUDA build.
        runs: ``phase_part`` of each experiment and phase, where it is known already.
    """
    table = rows(configuration)
    chosen = {
        (experiment, phase): [row for row in table if (row.experiment, row.phase) == (experiment, phase)]
        for experiment in used_experiments(configuration)
        for phase in RUN_PHASES
    }
    artifacts = runs or {key: phase_part(configuration, *key, group) for key, group in chosen.items()}
    drawn = sum(row.experiment is None for row in table)
    size, files, source = ENVIRONMENT_CUDA if cuda else ENVIRONMENT
    return [
        _sum(RESULTS.as_posix(), artifacts.values(), drawn),
        _state(configuration, chosen),
        Part(
            ".dvc/cache",
            sum(part.kept_bytes for part in artifacts.values()),
            sum(part.kept_files for part in artifacts.values()),
            "what `record` keeps of weights and data, a second time",
        ),
        *_inputs(configuration),
        Part(".venv", size, files, source, size, files),
    ]


def _expected_sizes(phase: str, expected: Footprint) -> dict[str, int]:
    """Name -> bytes of the files of a run not made yet; those of ``pretrain`` and ``collect`` as one."""
    if phase != "finetune":
        return {"weights": expected.bytes}
    milestones = expected.files - OTHER_FILES
    each = (expected.bytes - TABLES) // milestones
    return {f"milestones/step_{number}.safetensors": each for number in range(milestones)}


def _sum(name: str, found: Iterable[Part], drawn: int) -> Part:
    found = list(found)
    sources = sorted({part.source for part in found})
    return Part(
        name,
        sum(part.bytes for part in found) + drawn * FIGURE[0],
        sum(part.files for part in found) + drawn * FIGURE[1],
        "; ".join(
            {"made": "sizes of artifacts made", "computed": "sizes of networks and data"}[key]
            for key in sources
        ),
        sum(part.made_bytes for part in found),
        sum(part.made_files for part in found),
    )


def _state(configuration: Configuration, runs: dict[tuple[str, str], list[Row]]) -> Part:
    """Checkpoints, if all runs that are not made were in progress at once."""
    size, count = 0, 0
    for (experiment, phase), chosen in runs.items():
        section = configuration.experiments[experiment]
        left = sum(not row.manifest.exists() for row in chosen)
        checkpoints = load_domain(section.domain).footprint(section, phase).checkpoints
        size += left * checkpoints
        count += left if checkpoints else 0
    return Part("results/.runs", size, 30 * count, "checkpoints, if all runs were in progress at once")


def _inputs(configuration: Configuration) -> list[Part]:
    found: dict[str, Part] = {}
    for items in needed_inputs(configuration, used_experiments(configuration)).values():
        for item in items:
            there = item.problem is None
            found[item.path.as_posix()] = Part(
                item.path.as_posix(),
                item.bytes,
                item.files,
                item.size_source,
                item.bytes if there else 0,
                item.files if there else 0,
            )
    return list(found.values())
