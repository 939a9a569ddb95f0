"""Artifacts with a policy that has learned nothing: files by the domains' writers, manifests by lineage's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fpc.core.files import read_tensors, sha256_of, write_json, write_tensors
from fpc.core.milestones import write_milestone
from fpc.domains.apple_retrieval.config import AppleRetrievalExperiment
from fpc.domains.apple_retrieval.policy import ApplePolicy
from fpc.domains.apple_retrieval.rollout import Grid
from fpc.domains.apple_retrieval.streams import Streams
from fpc.domains.finetuning import CRITIC, POLICY, Finetuning
from fpc.domains.nethack.finetuning import milestone_writer
from fpc.domains.registry import load_domain
from fpc.lineage.artifact import Row
from fpc.lineage.manifest import build, subject
from fpc.lineage.origin import Code
from fpc.retention.registry import load_method
from fpc.workflow.loader import load
from fpc.workflow.run import Run
from fpc.workflow.run_table import RunTable

STEP = 20


def row_of(table: RunTable, phase: str, experiment: str, method: str | None = None) -> Row:
    """The first run of a phase."""
    return next(
        row for row in table.rows() if (row.phase, row.experiment, row.method) == (phase, experiment, method)
    )


def write_artifact(table: RunTable, row: Row, write: Callable[[Path], object]) -> Path:
    """Write an artifact's files and its manifest; returns its folder. Its parents must have been written."""
    row.folder.mkdir(parents=True)
    write(row.folder)
    files = [path for path in row.folder.rglob("*") if path.is_file()]
    statement = build(
        run=row.identity,
        section=table.section(row),
        subjects=subject(row.folder, files),
        parents={parent.manifest: sha256_of(parent.manifest) for parent in table.parents(row)},
        externals={},
        history={"finishedOn": "2026-01-01T00:00:00+00:00", "steps": STEP},
        code=Code(),
    )
    write_json(row.manifest, statement)
    return row.folder


def write_policies(experiment: str, method: str = "vanilla") -> tuple[Path, Path]:
    """Folders of pi* and of a fine-tuned run of scale ``laptop`` in the current project."""
    configuration = load("laptop")
    table = RunTable(configuration)
    section = configuration.experiments[experiment]
    pi_star, tuned = row_of(table, "pretrain", experiment), row_of(table, "finetune", experiment, method)
    collected = row_of(table, "collect", experiment)
    if isinstance(section, AppleRetrievalExperiment):
        grid = Grid(section.environment, pi_star.seeds)
        apple = ApplePolicy.new(Streams(grid.runs, "initialisation"), section.pretrain.initial_range)
        write_artifact(table, pi_star, lambda folder: write_tensors(folder / POLICY, apple.state_dict()))
    else:  # an untrained one
        write_artifact(table, pi_star, lambda folder: load_domain(section.domain).trial(section, folder))
    write_artifact(table, collected, lambda folder: write_json(folder / "start_states.json", {}))

    def finetune(folder: Path) -> None:
        parents = {"pretrain": pi_star.folder, "collect": collected.folder}
        run = Run("laptop", experiment, "finetune", method, tuned.seeds, folder / "state", folder, parents)
        _write_milestones(
            section.domain,
            Finetuning.of(run, method, load_method(method).Options.model_construct(steps=None), STEP),
        )

    return pi_star.folder, write_artifact(table, tuned, finetune)


def _write_milestones(domain: str, work: Finetuning) -> None:
    """Step 0 is pi*; by the last step, one tensor has changed."""
    path = work.pi_star()
    assert path is not None
    weights = read_tensors(path)
    for step in (0, STEP):
        changed = next(name for name in sorted(weights) if "bias" in name and "head" not in name)
        found = weights | ({changed: weights[changed] + 1} if step else {})
        if domain == "robotic_sequence":
            critic = read_tensors(path.with_name(CRITIC))
            found = {f"actor.{name}": value for name, value in found.items()}
            write_milestone(work.run.output, step, found | {f"critic.{n}": v for n, v in critic.items()})
        elif domain == "nethack":
            milestone_writer(work)(step, found, {})
        else:
            work.keep(step, found, {})
