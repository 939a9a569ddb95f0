"""`fpc audit`: verify artifacts against their manifests, and trace what they were made from."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.options import Variant, in_project, load_configuration, output_file
from fpc.core.errors import ConfigError
from fpc.lineage.artifact import RESULTS, scale_and_variant
from fpc.lineage.places import check_here
from fpc.workflow.loader import scales, variants
from fpc.workflow.run_table import RunTable

if TYPE_CHECKING:
    from fpc.lineage.verify import Signature

audit = typer.Typer(no_args_is_help=True, help="Verify artifacts, and trace what they were made from.")


def known_projects(scale: str | None, variant: str | None) -> dict[str, RunTable]:
    """Run tables by results label; without a scale, of every results folder that has a configuration.

    A variant whose configuration is wrong is named on standard error and left out, so that it does not keep
    anyone from the other results.

    Raises:
        ConfigError: a variant without a scale, or the configuration of a scale is wrong.
    """
    if variant and scale is None:
        raise ConfigError("--variant needs --scale")
    check_here()
    if scale is not None:
        configuration = load_configuration(scale, variant)
        return {configuration.label: RunTable(configuration)}
    found = {}
    for folder in sorted(RESULTS.glob("[!.]*")):
        name, overlay = scale_and_variant(folder.name)
        if folder.is_dir() and name in scales() and (not overlay or overlay in variants()):
            try:
                configuration = load_configuration(name, overlay)
            except ConfigError as error:
                if not overlay:
                    raise
                typer.echo(f"fpc: {folder} is not compared with its configuration: {error}", err=True)
                continue
            found[configuration.label] = RunTable(configuration)
    return found


@audit.command()
def verify(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders or manifests (default: all results).")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Only the results of this scale.")] = None,
    variant: Variant = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every file again, even if it looks unchanged.")
    ] = False,
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Require that one of these public keys has signed each manifest."),
    ] = None,
    complete: Annotated[
        bool, typer.Option("--complete", help="Require every file that DVC keeps to be here.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every manifest: files, parents, configuration, code and DVC's records; signatures with --key.

    Exit code 0: everything is verified, behind (code changed since) or absent (weights and data that are
    not here by design: recorded by DVC and not pulled, or not kept). 3: something is missing; with
    --complete, also if something is not pulled. 1: something is stale, unverified or tampered. 2: wrong
    usage.
    """
    from fpc.lineage import summary
    from fpc.lineage.audit_report import audit_report
    from fpc.lineage.digests import Digests
    from fpc.lineage.verdict import ACCEPTABLE, SEVERITY, Verdict
    from fpc.lineage.verify import verify as check
    from fpc.workflow.output_schemas import as_json as json_text

    projects = known_projects(scale, variant)
    targets = _targets(paths or [], None if scale is None else list(projects))
    signature = _signature(key) if key else None
    with _uncollected():
        found = check(targets, projects, digests=Digests(deep=deep), signature=signature, progress=_bar)
        findings = [item.when_complete() if complete else item for item in found]
    typer.echo(json_text(audit_report(findings)) if as_json else summary.as_text(findings))
    for label in sorted({target.parts[1] for target in targets if len(target.parts) > 1} - projects.keys()):
        typer.echo(f"{RESULTS / label}: no configuration of this name; checked without one", err=True)
    worst = max((item.verdict for item in findings), key=SEVERITY.__getitem__, default=Verdict.MISSING)
    raise typer.Exit(0 if worst in ACCEPTABLE else 3 if worst == Verdict.MISSING else 1)


def _targets(paths: list[Path], labels: list[str] | None) -> list[Path]:
    """What to audit: the given paths (for a file, its artifact), else the labels' results, else all results.

    Raises:
        ConfigError: a path does not exist, or is not below the results of ``labels``.
    """
    from fpc.lineage.ancestry import manifest_of

    targets = [in_project(path) for path in paths]
    homes = [RESULTS if labels is None else RESULTS / label for label in labels or [""]]
    for target in [*targets, *(homes if labels else [])]:
        if not target.exists():
            raise ConfigError(f"{target} does not exist; give a folder or manifest below {RESULTS}/")
        if not any(target.is_relative_to(home) for home in homes):
            raise ConfigError(f"{target} is not below {', '.join(f'{home}/' for home in homes)}")
    targets = [manifest_of(target) if _is_part(target) else target for target in targets or homes]
    if RESULTS in targets:
        return sorted(RESULTS.glob("[!.]*"))
    return [path for path in dict.fromkeys(targets) if not any(above in targets for above in path.parents)]


def _is_part(target: Path) -> bool:
    """Whether a path is a file, or a folder inside an artifact's folder."""
    return target.is_file() or any((above / "manifest.json").is_file() for above in target.parents)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause garbage collection: manifests form no cycles, and looking for them takes a fifth of an audit."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _signature(keys: list[Path]) -> Signature:
    """A function that says what is wrong with a manifest's signature."""
    from fpc.lineage.signing import SigningError, read_public_key, signature_problem

    try:
        public = [read_public_key(path) for path in keys]
    except SigningError as error:
        raise ConfigError(str(error)) from error
    return lambda manifest: signature_problem(manifest, public)


def _bar(manifests: list[Path]) -> Iterable[Path]:
    """A progress bar, on a terminal only."""
    from tqdm import tqdm

    return tqdm(manifests, unit="artifact", desc="audit", disable=None, leave=False)


@audit.command()
def trace(
    artifact: Annotated[Path, typer.Argument(help="An artifact, one of its files, or a copy of a figure.")],
    picture: Annotated[
        Path | None,
        typer.Option(help="Draw the ancestry into this file: .svg, .png or .dot.", callback=output_file),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show everything that an artifact was made from, as far back as there are manifests.

    A copy of a figure (SVG, PNG or CSV) from outside the results is traced by the metadata embedded in it.

    Exit code 0: nothing is wrong (files may be missing). 1: something is stale, unverified or tampered, has
    no manifest, or the copy is not the figure in the results: an image byte for byte, a CSV row for row.
    2: wrong usage.
    """
    from fpc.lineage import trace as traces
    from fpc.lineage.digests import Digests
    from fpc.lineage.locate import locate
    from fpc.lineage.verify import Audit

    location = locate(artifact)
    found, findings = traces.judged(location.manifest, Audit(known_projects(None, None), Digests()))
    if picture is not None:
        traces.draw(found, picture)
    if as_json:
        told = {"file": str(artifact), "says": location.says, "match": location.match}
        typer.echo(json.dumps({**told, "ancestry": traces.as_json(found, findings)}, indent=2))
    else:
        lines = [*location.words, traces.tree_text(location.manifest, found, findings)]
        typer.echo("\n".join([*lines, *([f"drawn: {picture}"] if picture else [])]))
    same = location.match in (None, "identical", "same rows")
    raise typer.Exit(0 if same and traces.is_sound(found, findings) else 1)


@audit.command()
def diff(
    first: Annotated[Path, typer.Argument(help="An artifact, or one of its files.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Describe how two artifacts differ: run, configuration, inputs, code, environment, files.

    Exit code 0: no difference. 1: something differs. 2: wrong usage.
    """
    from fpc.lineage.ancestry import manifest_of
    from fpc.lineage.diff import diff_text, differences
    from fpc.lineage.manifest import read

    one, other = (read(manifest_of(in_project(path))) for path in (first, second))
    found = differences(one, other)
    typer.echo(json.dumps(found, indent=2) if as_json else diff_text(one, other))
    raise typer.Exit(1 if found else 0)
