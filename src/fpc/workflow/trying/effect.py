"""Whether a method did anything: its runs compared with vanilla's."""

from __future__ import annotations

from fpc.claims.scores import VANILLA
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import ManifestError, read
from fpc.workflow.configuration import MILESTONE
from fpc.workflow.run_table import RunTable
from fpc.workflow.trying.trial import Trial


def without_effect(trial: Trial) -> list[str]:
    """The domains in which every policy of the method is vanilla's of the same seed, to the last bit."""
    rows = [row for row in RunTable(trial.configuration).rows() if row.phase == "finetune"]
    found = []
    for domain, experiment in trial.experiments.items():
        here = [row for row in rows if row.experiment == experiment]
        ours, vanilla = (
            {row.seeds: _policies(row) for row in here if row.method == method}
            for method in (trial.method, VANILLA)
        )
        if ours and all(policies and vanilla.get(seeds) == policies for seeds, policies in ours.items()):
            found.append(domain)
    return found


def _policies(row: Row) -> dict[str, str]:
    """sha256 of each milestone of a run; empty if it has no readable manifest."""
    try:
        subjects = read(row.manifest).subjects
    except ManifestError:
        return {}
    return {name: digest for name, digest in subjects.items() if MILESTONE.fullmatch(name)}
