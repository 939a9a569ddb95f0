"""What all phases share: open the run of a row, do the work and publish it, unless it is current already."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from fpc import extensions
from fpc.core.device import Device, require
from fpc.core.tables import PI_STAR
from fpc.domains.interface import PiStarDomain
from fpc.domains.registry import load_domain
from fpc.lineage.artifact import Row, command, scale_and_variant
from fpc.lineage.freshness import Freshness, freshness
from fpc.lineage.verdict import Verdict
from fpc.workflow.configuration import Configuration
from fpc.workflow.inputs import missing_inputs, missing_text
from fpc.workflow.run import Run, RunError, forget, open_run
from fpc.workflow.run_table import RunTable, run_row

logger = logging.getLogger(__name__)
READ_TABLES = ("figure", "claims")  # phases that read only tables, and check each against its manifest


def execute(configuration: Configuration, row: Row, work: Callable[[Run], None]) -> None:
    """Do the work of a row and publish it; does nothing if the row is current.

    Raises:
        RunError: what is there cannot be read; a parent is missing, not current, or lacks files that the
            work reads; or a third-party input is missing, which a run never downloads itself.
        NoUsableGPU: the plan asks for a GPU for this phase, and there is none that can be used.
    """
    table = RunTable(configuration)
    fresh = freshness(table)
    section, made_from = table.section(row), table.parents(row)
    found = fresh.of(row)
    if found.verdict == Verdict.UNVERIFIED and not found.inherited:
        raise RunError(f"{row.folder}: {found.reasons[0]}")
    if found.is_current:
        logger.info("%s is up to date; delete %s to make it again", row.title, row.manifest)
        forget(row, section, made_from)
        return
    if missing := missing_inputs(configuration, [(row.experiment, row.phase)]):
        raise RunError(missing_text(row.title, missing))
    device = device_of(configuration, row)
    check_parents(fresh, table, made_from, None if row.phase in READ_TABLES else row.phase)
    fresh.digests.save()
    with open_run(row, section, made_from, device) as run:
        work(run)
    logger.info("%s -> %s", row.title, row.folder)


def device_of(configuration: Configuration, row: Row) -> Device:
    """Where the row's networks run, checked before anything is read.

    Raises:
        NoUsableGPU: the plan asks for a GPU, and there is none that can be used.
    """
    if row.experiment is None:
        return "cpu"
    domain = configuration.experiments[row.experiment].domain
    device = configuration.plan.device(domain, row.phase)
    require(device, f"plan.jobs.{domain}.{row.phase}.gpus")
    return device


def check_parents(fresh: Freshness, table: RunTable, made_from: Iterable[Row], phase: str | None) -> None:
    """Check that a row's parents are current; otherwise the row would not be current either.

    Args:
        fresh: freshness of the project's artifacts.
        table: the project's run table.
        made_from: the row's parents.
        phase: the row's, if it reads weights or data: then what it reads of them has to be here.

    Raises:
        RunError: a parent is not current, or lacks files.
    """
    for parent in made_from:
        if not parent.manifest.exists():
            continue  # open_run says which command makes it
        found = fresh.of(parent)
        if not found.is_current or (phase is not None and fresh.lacks(parent, phase)):
            raise RunError(
                f"{parent.folder}: {found.reasons[0]}. Fix this before making anything from it: "
                f"{_remedy(fresh, _first_outdated(fresh, table, parent))}"
            )


def _first_outdated(fresh: Freshness, table: RunTable, row: Row) -> Row:
    """The row itself, or the first of its ancestors that is not current."""
    outdated = next((parent for parent in table.parents(row) if not fresh.of(parent).is_current), None)
    return row if outdated is None else _first_outdated(fresh, table, outdated)


def _remedy(fresh: Freshness, row: Row) -> str:
    """How to put right an artifact whose parents are current."""
    if not row.manifest.exists():
        return f"make {row.folder}: {command(row)}"
    match fresh.of(row).verdict:
        case Verdict.ABSENT if fresh.of(row).heavy.not_kept and not fresh.of(row).heavy.to_fetch:
            return f"not all of its files are kept; delete {row.manifest} and make it again: {command(row)}"
        case Verdict.ABSENT:
            return f"fetch it (dvc pull), or delete {row.manifest} and make it again: {command(row)}"
        case Verdict.MISSING:
            return f"fetch the files of {row.folder} (dvc pull), or make it again: {command(row)}"
        case Verdict.UNVERIFIED:
            return f"make all files of {row.folder} readable"
        case Verdict.STALE:
            scale, variant = scale_and_variant(row.label)
            chosen = f"scale={scale}" + (f" variant={variant}" if variant else "")
            everything = f"snakemake --cores 2 --config {chosen}"
            return f"make {row.folder} again: {command(row)}; all that is not current: {everything}"
        case _:
            return f"restore {row.folder} (git checkout, dvc checkout), or make it again: {command(row)}"


def method_file(method: str) -> dict[str, bytes]:
    """Name and content of the file of a method from outside the package, which need not be there for ever."""
    path = extensions.modules().get(f"{extensions.METHODS}.{method}")
    return {} if path is None else {Path(path).name: Path(path).read_bytes()}


def execute_domain_phase(
    configuration: Configuration, phase: str, experiment: str, method: str | None, seeds: tuple[int, ...]
) -> None:
    """Run a phase that the experiment's domain implements (pretrain, collect, finetune, evaluate)."""
    row = run_row(configuration, phase, experiment, method, seeds)
    section = configuration.experiments[experiment]
    domain = load_domain(section.domain)

    def work(run: Run) -> None:
        perform = getattr(domain, phase)
        if method == PI_STAR:
            assert isinstance(domain, PiStarDomain)  # only then the run table has such a row
            domain.evaluate_pi_star(section, run)
        elif method is None:
            perform(section, run)
        else:
            finetunes = phase == "finetune"
            own = configuration.experiment_of(experiment, method) if finetunes else section
            source = method_file(method) if finetunes else {}  # read now: it may change meanwhile
            perform(own, method, configuration.options(experiment, method), run)
            for name, content in source.items():
                (run.output / name).write_bytes(content)

    execute(configuration, row, work)
