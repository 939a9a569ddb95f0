"""What every phase shares: open the run of a row, do the work, publish; or see that it is done."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from fpc.core.files import digest_of, sha256_of
from fpc.domains.registry import load_domain
from fpc.lineage.manifest import ManifestError, read
from fpc.workflow.configuration import Configuration
from fpc.workflow.run import Run, RunError, command, forget, open_run
from fpc.workflow.run_table import Row, parents, section_of

logger = logging.getLogger(__name__)


def is_current(row: Row, section: dict[str, Any], made_from: list[Row]) -> bool:
    """Whether the row is published, whole, from this configuration and from the parents as they are."""
    try:
        manifest = read(row.manifest)
        digests = {parent.manifest.as_posix(): sha256_of(parent.manifest) for parent in made_from}
        whole = all(sha256_of(row.folder / name) == digest for name, digest in manifest.subjects.items())
    except (ManifestError, OSError):
        return False
    return whole and manifest.section_digest == digest_of(section) and manifest.parents == digests


def execute(configuration: Configuration, row: Row, work: Callable[[Run], None]) -> None:
    """Do the work of a row and publish it; nothing where it is published already."""
    section = section_of(configuration, row)
    made_from = parents(configuration, row)
    if is_current(row, section, made_from):
        logger.info("%s is made already; remove %s to make it again", row.title, row.manifest)
        forget(row, section, made_from)
        return
    with open_run(row, section, made_from) as run:
        work(run)
    logger.info("%s -> %s", row.title, row.folder)


def check_inputs(made_from: list[Row]) -> None:
    """See that every file of the parents is the one its manifest names, before any is read.

    Raises:
        RunError: a parent's file is missing or altered.
    """
    for parent in made_from:
        if not parent.manifest.exists():
            continue  # open_run says which command makes it
        for name, digest in read(parent.manifest).subjects.items():
            file = parent.folder / name
            if not file.exists() or sha256_of(file) != digest:
                state = "is not the file its manifest names" if file.exists() else "is missing"
                raise RunError(
                    f"{file} {state}; fetch it (dvc pull), or delete {parent.manifest} and make it again: "
                    f"{command(parent)}"
                )


def execute_domain_phase(
    configuration: Configuration, phase: str, experiment: str, method: str | None, seeds: tuple[int, ...]
) -> None:
    """Run a phase that the experiment's domain does (pretrain, collect, finetune, evaluate)."""
    section = configuration.experiments[experiment]
    domain = load_domain(section.domain)
    row = Row(configuration.label, phase, experiment, method, seeds)

    check_inputs(parents(configuration, row))

    def work(run: Run) -> None:
        verb = getattr(domain, phase)
        if method is None:
            verb(section, run)
        else:
            verb(section, method, configuration.options(experiment, method), run)

    execute(configuration, row, work)
