"""How much disk a configuration needs: bytes and files (inodes) of each part, with their sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from fpc.domains.footprint import TABLES, Footprint
from fpc.domains.registry import load_domain
from fpc.lineage.artifact import RESULTS, RUN_PHASES, Row
from fpc.lineage.manifest import ManifestError, heavy_sizes, read
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
    """One part of what is needed; ``made`` is what is already there of ``bytes`` and ``files``."""

    name: str
    bytes: int
    files: int
    source: str
    made_bytes: int = 0
    made_files: int = 0


def made_footprints(table: Iterable[Row]) -> list[Footprint]:
    """Sizes of the artifacts that have been made, from their manifests."""
    found = []
    for row in table:
        try:
            sizes = [int(item.get("size", 0)) for item in read(row.manifest).statement["subject"]]
        except (ManifestError, KeyError):
            continue
        found.append(Footprint(sum(sizes), len(sizes) + 1))
    return found


def phase_part(configuration: Configuration, experiment: str, phase: str, chosen: list[Row]) -> Part:
    """What the runs of a phase keep: like those made so far, or estimated from networks and data."""
    section = configuration.experiments[experiment]
    made = made_footprints(chosen)
    size, files = sum(item.bytes for item in made), sum(item.files for item in made)
    expected = load_domain(section.domain).footprint(section, phase)
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
    )


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
    recorded = [_kept(configuration, *key, group) for key, group in chosen.items() if key[1] in RECORDED]
    drawn = sum(row.experiment is None for row in table)
    size, files, source = ENVIRONMENT_CUDA if cuda else ENVIRONMENT
    return [
        _sum(RESULTS.as_posix(), artifacts.values(), drawn),
        _state(configuration, chosen),
        Part(
            ".dvc/cache",
            sum(size for size, _ in recorded),
            sum(files for _, files in recorded),
            "what `record` keeps of weights and data, a second time",
        ),
        *_inputs(configuration),
        Part(".venv", size, files, source, size, files),
    ]


def _kept(configuration: Configuration, experiment: str, phase: str, chosen: list[Row]) -> tuple[int, int]:
    """Bytes and files that DVC keeps of the runs of a phase, by the configuration's ``record``."""
    section = configuration.experiments[experiment]
    expected = _expected_sizes(phase, load_domain(section.domain).footprint(section, phase))
    size = files = 0
    for row in chosen:
        try:
            sizes: Mapping[str, int] = heavy_sizes(read(row.manifest))
        except (ManifestError, KeyError):
            sizes = expected
        kept = configuration.record.kept(row, sizes)
        size, files = size + sum(sizes[name] for name in kept), files + len(kept)
    return size, files


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
