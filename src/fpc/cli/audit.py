"""The verb audit: verify artifacts against their manifests, and see what they were made from."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.options import Variant, in_project, load_configuration
from fpc.core.errors import ConfigError
from fpc.lineage.artifact import RESULTS, scale_and_variant
from fpc.workflow.loader import scales, variants
from fpc.workflow.run_table import RunTable

if TYPE_CHECKING:
    from fpc.lineage.verify import Signature

audit = typer.Typer(no_args_is_help=True, help="Check artifacts, and what they were made from.")


def known_projects(scale: str | None, variant: str | None) -> dict[str, RunTable]:
    """Run tables by results label; without a scale, those of every results folder that has one.

    Raises:
        ConfigError: a variant without a scale.
    """
    if variant and scale is None:
        raise ConfigError("--variant needs --scale")
    if scale is not None:
        configuration = load_configuration(scale, variant)
        return {configuration.label: RunTable(configuration)}
    found = {}
    for folder in sorted(RESULTS.glob("[!.]*")):
        name, overlay = scale_and_variant(folder.name)
        if folder.is_dir() and name in scales() and (not overlay or overlay in variants()):
            configuration = load_configuration(name, overlay)
            found[configuration.label] = RunTable(configuration)
    return found


@audit.command()
def verify(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders or manifests; all results without.")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Only this scale's results.")] = None,
    variant: Variant = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every file again, also one that looks unchanged.")
    ] = False,
    key: Annotated[
        list[Path] | None,
        typer.Option(help="Ask for a signature of each manifest by one of these public keys."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every manifest: files, parents, configuration, code, what DVC recorded, signatures with --key.

    Exit code 0: all verified, or only behind (code moved since) or absent (weights not pulled, as dvc.lock
    records them). 3: something is missing. 1: stale, unverified or tampered. 2: wrong use.
    """
    from fpc.lineage import summary
    from fpc.lineage.digests import Digests
    from fpc.lineage.verdict import ACCEPTABLE, SEVERITY, Verdict
    from fpc.lineage.verify import verify as check

    projects = known_projects(scale, variant)
    places = _places(paths or [], None if scale is None else list(projects))
    signature = _signature(key) if key else None
    with _uncollected():
        found = check(places, projects, digests=Digests(deep=deep), signature=signature, progress=_bar)
        findings = list(found)
    typer.echo(summary.as_json(findings) if as_json else summary.as_text(findings))
    for label in sorted({place.parts[1] for place in places if len(place.parts) > 1} - projects.keys()):
        typer.echo(f"{RESULTS / label}: no configuration of this name; checked without", err=True)
    worst = max((item.verdict for item in findings), key=SEVERITY.__getitem__, default=Verdict.MISSING)
    raise typer.Exit(0 if worst in ACCEPTABLE else 3 if worst == Verdict.MISSING else 1)


def _places(paths: list[Path], labels: list[str] | None) -> list[Path]:
    """What to audit: the paths (of a file its artifact), else the labels' results, else all results.

    Raises:
        ConfigError: one does not exist, or lies elsewhere.
    """
    from fpc.lineage.ancestry import manifest_of

    places = [in_project(path) for path in paths]
    homes = [RESULTS if labels is None else RESULTS / label for label in labels or [""]]
    for place in [*places, *(homes if labels else [])]:
        if not place.exists():
            raise ConfigError(f"{place} does not exist; give a folder or manifest below {RESULTS}/")
        if not any(place.is_relative_to(home) for home in homes):
            raise ConfigError(f"{place} is not below {', '.join(f'{home}/' for home in homes)}")
    places = [manifest_of(place) if _is_part(place) else place for place in places or homes]
    if RESULTS in places:
        return sorted(RESULTS.glob("[!.]*"))
    return [place for place in dict.fromkeys(places) if not any(above in places for above in place.parents)]


def _is_part(place: Path) -> bool:
    """Whether a place is a file, or a folder within an artifact's."""
    return place.is_file() or any((above / "manifest.json").is_file() for above in place.parents)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Thousands of manifests hold no cycles; looking for some takes a fifth of an audit's time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _signature(keys: list[Path]) -> Signature:
    """Tells what is wrong with a manifest's signature."""
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
    artifact: Annotated[Path, typer.Argument(help="An artifact, one of its files, or a figure found alone.")],
    picture: Annotated[
        Path | None, typer.Option(help="Draw the ancestry into this file: .svg, .png or .dot.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show everything that an artifact was made from, as far back as there are manifests.

    A figure's SVG, PNG or CSV from elsewhere is traced by what it says of itself.

    Exit code 0: all of it is in order, as far as it is here. 1: something is stale, unverified or tampered,
    has no manifest, or the figure from elsewhere is not the one here, byte for byte. 2: wrong use.
    """
    from fpc.lineage import trace as traces
    from fpc.lineage.digests import Digests
    from fpc.lineage.locate import whereabouts
    from fpc.lineage.verify import Audit

    where = whereabouts(artifact)
    found, findings = traces.judged(where.manifest, Audit(known_projects(None, None), Digests()))
    if picture is not None:
        traces.draw(found, picture)
    if as_json:
        told = {"file": str(artifact), "says": where.says, "match": where.match}
        typer.echo(json.dumps({**told, "ancestry": traces.as_json(found, findings)}, indent=2))
    else:
        lines = [*where.words, traces.tree_text(where.manifest, found, findings)]
        typer.echo("\n".join([*lines, *([f"drawn: {picture}"] if picture else [])]))
    alike = where.match in (None, "identical")
    raise typer.Exit(0 if alike and traces.is_sound(found, findings) else 1)


@audit.command()
def diff(
    first: Annotated[Path, typer.Argument(help="An artifact, or one of its files.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say in words what differs between the makings of two artifacts.

    Exit code 0: made alike. 1: something differs. 2: wrong use.
    """
    from fpc.lineage.ancestry import manifest_of
    from fpc.lineage.diff import diff_text, differences
    from fpc.lineage.manifest import read

    one, other = (read(manifest_of(in_project(path))) for path in (first, second))
    found = differences(one, other)
    typer.echo(json.dumps(found, indent=2) if as_json else diff_text(one, other))
    raise typer.Exit(1 if found else 0)
