"""The verb audit: verify artifacts against their manifests, and see what they were made from."""

from __future__ import annotations

import gc
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli_options import Variant, in_project, load_configuration
from fpc.config.errors import ConfigError
from fpc.config.loader import scales, variants
from fpc.config.root import Configuration
from fpc.table import RESULTS, scale_and_variant

if TYPE_CHECKING:
    from fpc.lineage.checks import Finding
    from fpc.lineage.verify import Signature

SHOWN = 10  # artifacts with the same reasons

audit = typer.Typer(no_args_is_help=True, help="Check artifacts, and what they were made from.")


def known_configurations(scale: str | None, variant: str | None) -> dict[str, Configuration]:
    """Configurations by results label; without a scale, those of every results folder that has one."""
    if scale is not None:
        configuration = load_configuration(scale, variant)
        return {configuration.label: configuration}
    found = {}
    for folder in sorted(RESULTS.glob("[!.]*")):
        name, overlay = scale_and_variant(folder.name)
        if folder.is_dir() and name in scales() and (not overlay or overlay in variants()):
            configuration = load_configuration(name, overlay)
            found[configuration.label] = configuration
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

    Exit code 0: all verified (or only behind: code moved since). 3: something is missing: not made, or
    weights not pulled. 1: stale, unverified or tampered. 2: wrong use.
    """
    from fpc.lineage.checks import Verdict
    from fpc.lineage.digests import Digests
    from fpc.lineage.verify import ACCEPTABLE, SEVERITY
    from fpc.lineage.verify import verify as check

    configurations = known_configurations(scale, variant)
    places = _places(paths or [], None if scale is None else list(configurations))
    signature = _signature(key) if key else None
    gc.disable()  # thousands of manifests hold no cycles; looking for some takes a fifth of the time
    findings = list(
        check(places, configurations, digests=Digests(deep=deep), signature=signature, progress=_bar)
    )
    typer.echo(_as_json(findings) if as_json else _as_text(findings))
    for label in sorted({place.parts[1] for place in places if len(place.parts) > 1} - configurations.keys()):
        typer.echo(f"{RESULTS / label}: no configuration of this name; checked without", err=True)
    worst = max((item.verdict for item in findings), key=SEVERITY.__getitem__, default=Verdict.MISSING)
    raise typer.Exit(0 if worst in ACCEPTABLE else 3 if worst == Verdict.MISSING else 1)


def _places(paths: list[Path], labels: list[str] | None) -> list[Path]:
    """What to audit: the paths (of a file its artifact), else the labels' results, else all results.

    Raises:
        ConfigError: one does not exist.
    """
    places = [in_project(path) for path in paths]
    if RESULTS in places:
        places = []
    if not places and labels is not None:
        places = [RESULTS / label for label in labels]
    from fpc.lineage.ancestry import manifest_of

    for place in places:
        if not place.exists():
            raise ConfigError(f"{place} does not exist; give a folder or manifest below {RESULTS}")
    places = [manifest_of(place) if _is_part(place) else place for place in places]
    return places or sorted(folder for folder in RESULTS.glob("[!.]*") if folder.is_dir())


def _is_part(place: Path) -> bool:
    """Whether a place is a file, or a folder within an artifact's."""
    return place.is_file() or any((above / "manifest.json").is_file() for above in place.parents)


def _signature(keys: list[Path]) -> Signature:
    """Tells what is wrong with a manifest's signature."""
    from fpc.lineage.signing import read_public_key, signature_problem

    public = [read_public_key(path) for path in keys]
    return lambda manifest: signature_problem(manifest, public)


def _bar(manifests: list[Path]) -> Iterable[Path]:
    """A progress bar, on a terminal only."""
    from tqdm import tqdm

    return tqdm(manifests, unit="artifact", desc="audit", disable=None, leave=False)


def _as_json(findings: list[Finding]) -> str:
    return json.dumps(
        [
            {"artifact": str(item.artifact), "verdict": item.verdict, "reasons": item.reasons}
            for item in findings
        ]
    )


def _as_text(findings: list[Finding]) -> str:
    """A line for each artifact that is not in order, then the counts."""
    from fpc.lineage.checks import Verdict
    from fpc.lineage.verify import ACCEPTABLE

    lines, alike = [], Counter[str]()
    for item in findings:
        if item.verdict in ACCEPTABLE:
            continue
        text = "; ".join(item.reasons)
        alike[text] += 1
        if alike[text] <= SHOWN:
            lines.append(f"{item.verdict:<11} {item.artifact}: {text}")
    more = {text: count - SHOWN for text, count in alike.items() if count > SHOWN}
    lines += [f"and {count} more: {text} (--json lists all)" for text, count in more.items()]
    counts = Counter(item.verdict for item in findings)
    words = [f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict]]
    lines.append(", ".join(words) or "nothing is here")
    return "\n".join(lines)


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
    """
    from fpc.lineage.found import whereabouts
    from fpc.lineage.trace import as_json as ancestors
    from fpc.lineage.trace import draw, tree_text

    root, words = whereabouts(artifact)
    if picture is not None:
        draw(root, picture)
    if as_json:
        typer.echo(json.dumps(ancestors(root), indent=2))
        return
    typer.echo("\n".join([*words, tree_text(root), *([f"drawn: {picture}"] if picture else [])]))


@audit.command()
def diff(
    first: Annotated[Path, typer.Argument(help="An artifact, or one of its files.")],
    second: Annotated[Path, typer.Argument(help="Another one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say in words what differs between the makings of two artifacts.

    Exit code 0: made alike. 1: something differs.
    """
    from fpc.lineage.ancestry import manifest_of
    from fpc.lineage.diff import diff_text, differences
    from fpc.lineage.manifest import read

    one, other = (read(manifest_of(in_project(path))) for path in (first, second))
    found = differences(one, other)
    typer.echo(json.dumps(found, indent=2) if as_json else diff_text(one, other))
    raise typer.Exit(1 if found else 0)
