"""Export of a policy as a folder in the layout of the Hugging Face Hub; nothing is uploaded."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fpc import __version__
from fpc.core.errors import ConfigError, UserError
from fpc.core.files import (
    fsync_folder,
    read_table,
    sha256_of,
    write_bytes,
    write_json,
    write_tensors,
    write_text,
)
from fpc.core.tables import EPISODES, PI_STAR
from fpc.domains.load import CONFIG, MANIFEST, MODEL, PHASES, Saved, portable
from fpc.domains.registry import measures_pi_star
from fpc.lineage.ancestry import ancestry
from fpc.lineage.artifact import RESULTS, command, seeds_name
from fpc.lineage.checks import row_of
from fpc.lineage.digests import Digests
from fpc.lineage.manifest import Manifest, ManifestError, read
from fpc.lineage.project import Project
from fpc.lineage.verdict import Verdict
from fpc.lineage.verify import Audit
from fpc.reporting.model_card import Card, Measurement, card_text
from fpc.retention.registry import load_method, method_names

if TYPE_CHECKING:
    import pandas as pd

CARD = "README.md"
FILES = (CARD, CONFIG, MANIFEST, MODEL)
# Of a probe without `success`, these are what its policy achieves.
OTHER_MEASURES = ("return", "score", "pits_filled", "value", "stay_probability", "reach_probability")
OTHER_POLICIES = ("random",)  # probes that measure another policy, for comparison


class ExportError(UserError):
    """An artifact cannot be exported; the message says why and what to do."""


def export_model(
    manifest: Path,
    output: Path,
    projects: Mapping[str, Project],
    *,
    step: int | None = None,
    force: bool = False,
) -> Path:
    """Write a policy's folder: weights, configuration, card and manifest.

    Args:
        manifest: that of an artifact with a policy, relative to the project's folder (the current one).
        output: the folder to write.
        projects: by results label, for the audit.
        step: of the milestone; by default the last one.
        force: replace the folder if it is an earlier export.

    Returns:
        The file of weights that was exported.

    Raises:
        ConfigError: the folder cannot be written to.
        ExportError: the artifact has no policy, or is not current.
        PolicyError: it has no such milestone, or its weights are not here.
    """
    output = output.absolute()
    _check_output(output, force)
    artifact = read(manifest)
    if artifact.run["phase"] not in PHASES:
        raise ExportError(f"{manifest} has no policy; give the folder of a run of {' or '.join(PHASES)}")
    saved = Saved.of(manifest.parent, step)
    audit = Audit(projects, Digests())
    _check_current(audit, artifact)
    domain = portable(saved.section["domain"])
    weights = domain.weights(saved)
    temporary = output.with_name(f".{output.name}.{secrets.token_hex(4)}.tmp")
    try:
        write_tensors(temporary / MODEL, weights)
        write_json(temporary / CONFIG, _config(saved, domain.arguments(saved.section, weights)))
        write_bytes(temporary / MANIFEST, manifest.read_bytes())
        card = _card(saved, artifact, audit, sha256_of(temporary / MODEL), domain.EXAMPLE)
        write_text(temporary / CARD, card_text(card))
        _put_in_place(temporary, output)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    audit.digests.save()
    return saved.path


def _check_output(output: Path, force: bool) -> None:
    if output.resolve().is_relative_to(RESULTS.resolve()):
        raise ConfigError(f"{output}: inside {RESULTS}/ no manifest would name these files; write elsewhere")
    if output.is_symlink() or (output.exists() and not output.is_dir()):
        raise ConfigError(f"{output} is not a folder; give one that does not exist yet")
    found = sorted(path.name for path in output.iterdir()) if output.is_dir() else []
    if others := [name for name in found if name not in FILES]:
        raise ConfigError(
            f"{output} has other files ({', '.join(others[:3])}); give a new or an empty folder"
        )
    if found and not force:
        raise ConfigError(f"{output} is not empty; replace it with --force, or give another folder")


def _check_current(audit: Audit, artifact: Manifest) -> None:
    """Check that the artifact is what would be made now.

    Raises:
        ExportError: it is not.
    """
    finding = audit.finding(artifact.path)
    if finding.is_current:
        return
    again = command(row_of(artifact))
    remedy = {
        Verdict.MISSING: f"fetch what is missing (dvc pull), or make it again ({again})",
        Verdict.TAMPERED: f"restore it, or make it again ({again})",
        Verdict.UNVERIFIED: "see what cannot be read",
    }.get(finding.verdict, f"make it again ({again})")
    raise ExportError(f"{artifact.path} is {finding.verdict}: {finding.reasons[0]}; {remedy}")


def _config(saved: Saved, network: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "model_type": "fpc",
        "fpc_version": __version__,
        "domain": saved.section["domain"],
        "run": dict(saved.run),
        "step": saved.step,
        "network": network,
        "section": saved.section,
    }


def _put_in_place(temporary: Path, output: Path) -> None:
    """Rename the finished folder; an earlier one is moved aside and removed only then."""
    old = None
    if output.exists():
        old = temporary.with_suffix(".old")
        output.rename(old)
    try:
        temporary.rename(output)
    except OSError:
        if old is not None:
            old.rename(output)
        raise
    fsync_folder(output.parent)
    if old is not None:
        shutil.rmtree(old)


def _card(saved: Saved, artifact: Manifest, audit: Audit, weights_sha256: str, example: str) -> Card:
    known = [item.manifest for item in ancestry(artifact.path).values() if item.manifest is not None]
    evaluation = next(_evaluations(saved, artifact, audit), None)
    measured = [] if evaluation is None else _measurements(evaluation, saved.step or 0)
    return Card(
        run=saved.run,
        domain=saved.section["domain"],
        step=saved.step,
        steps=artifact.details["metadata"].get("steps"),
        options=saved.section.get("options", {}),
        manifest=artifact.path.as_posix(),
        manifest_sha256=sha256_of(artifact.path),
        weights_sha256=weights_sha256,
        version=__version__,
        code={"commit": None, "uncommitted_sha256": None} | dict(artifact.details["builder"]["code"]),
        parents=artifact.parents,
        externals={uri: digest for item in known for uri, digest in item.externals.items()},
        evaluation=evaluation.path.parent.as_posix() if evaluation and measured else None,
        measurements=measured,
        example=example,
    )


def _evaluations(saved: Saved, artifact: Manifest, audit: Audit) -> Iterator[Manifest]:
    """Current tables that measure the policy.

    pi* is step 0 of the methods that start from it, where nothing measures it by itself.
    """
    run = artifact.run
    folder = RESULTS / run["label"] / run["experiment"] / "evaluate"
    methods = [run.get("method") or PI_STAR]
    if saved.step is None and not measures_pi_star(saved.section["domain"]):
        methods = [name for name in method_names() if load_method(name).pretrained]
    digest = sha256_of(artifact.path)
    for method in methods:
        path = folder / method / seeds_name(tuple(run["seeds"])) / MANIFEST
        try:
            found = read(path)
        except ManifestError:
            continue
        made_from_it = found.parents.get(artifact.path.as_posix()) == digest
        if made_from_it and audit.finding(path).is_current:
            yield found


def _measurements(evaluation: Manifest, step: int) -> list[Measurement]:
    table = read_table(evaluation.path.parent / f"{EPISODES}.parquet")
    chosen = table[(table["step"] == step) & ~table["probe"].isin(OTHER_POLICIES)]
    found = []
    for (condition, group, probe), rows in chosen.groupby(["condition", "group", "probe"], sort=True):
        for measure in _achieved(rows):
            values = rows[rows["measure"] == measure]
            mean, seeds = float(values["value"].mean()), values["seed"].nunique()
            names = (str(condition), str(probe), str(group))
            found.append(Measurement(*names, measure, mean, len(values), seeds))
    return found


def _achieved(rows: pd.DataFrame) -> list[str]:
    """The measures of a probe that say what the policy achieves."""
    there = set(rows["measure"])
    return ["success"] if "success" in there else [name for name in OTHER_MEASURES if name in there]
