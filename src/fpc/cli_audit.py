"""The verb audit: verify artifacts against their manifests, and see what they were made from."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from fpc.cli_options import Scale, Variant, in_project, load_configuration
from fpc.config.errors import ConfigError
from fpc.config.loader import scales, variants
from fpc.config.root import Configuration
from fpc.table import RESULTS, closing_row

audit = typer.Typer(no_args_is_help=True, help="Check artifacts, and what they were made from.")


def _known_configurations(scale: str | None, variant: str | None) -> dict[str, Configuration]:
    """Configurations by results label; without a scale, those of every results folder that has one."""
    if scale is not None:
        configuration = load_configuration(scale, variant)
        return {configuration.label: configuration}
    found = {}
    for folder in sorted(RESULTS.glob("[!.]*")):
        name, _, overlay = folder.name.partition("+")
        if folder.is_dir() and name in scales() and (not overlay or overlay in variants()):
            configuration = load_configuration(name, overlay or None)
            found[configuration.label] = configuration
    return found


@audit.command()
def verify(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders or manifests; all results without.")
    ] = None,
    scale: Annotated[str | None, typer.Option(help="Only this scale's results.")] = None,
    variant: Variant = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check every manifest: files, parents, configuration, code.

    Exit code 0: all verified (or only behind: code moved since). 3: files missing, such as weights
    that were not pulled. 1: stale, unverified or tampered.
    """
    from fpc.lineage.verify import ACCEPTABLE, SEVERITY, Verdict
    from fpc.lineage.verify import verify as check

    configurations = _known_configurations(scale, variant)
    everything = sorted(folder for folder in RESULTS.glob("[!.]*") if folder.is_dir())
    places = [in_project(path) for path in paths or []]
    if not places:
        places = everything if scale is None else [RESULTS / label for label in configurations]
    for place in places:
        if not place.exists():
            raise ConfigError(f"{place} does not exist; give a folder or manifest below {RESULTS}")
    findings = list(check(places, configurations))
    if as_json:
        items = [
            {"artifact": str(item.artifact), "verdict": item.verdict, "reasons": item.reasons}
            for item in findings
        ]
        typer.echo(json.dumps(items))
    else:
        for item in findings:
            if item.verdict not in ACCEPTABLE:
                typer.echo(f"{item.verdict:<11} {item.artifact}: {'; '.join(item.reasons)}")
        counts = {str(verdict): sum(item.verdict == verdict for item in findings) for verdict in Verdict}
        typer.echo(", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count) or "nothing")
    worst = max((item.verdict for item in findings), key=SEVERITY.__getitem__, default=Verdict.VERIFIED)
    raise typer.Exit(0 if worst in ACCEPTABLE else 3 if worst == Verdict.MISSING else 1)


def _manifests_below(paths: list[Path] | None) -> list[Path]:
    """Manifests at or below paths of the project; all of results without.

    Raises:
        ConfigError: there is none.
    """
    places = [in_project(path) for path in paths or [RESULTS]]
    found = {path for path in places if path.is_file()}
    found |= {path for place in places for path in place.rglob("*manifest.json")}
    found -= {path for path in found if any(part.startswith(".") for part in path.parts)}
    if not found:
        raise ConfigError(f"no manifest below {', '.join(map(str, places))}; give artifacts below {RESULTS}")
    return sorted(found)


@audit.command()
def export(
    crate: Annotated[Path, typer.Argument(help="The zip file to write.")],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Artifacts, their folders or files; the report of --scale without."),
    ] = None,
    scale: Scale = "demo",
    variant: Variant = None,
    weights: Annotated[bool, typer.Option(help="Pack weights and expert data as well.")] = False,
    agent: Annotated[str | None, typer.Option(help="Name of who ran it; left out without.")] = None,
    force: Annotated[bool, typer.Option(help="Pack what is stale as well.")] = False,
) -> None:
    """Pack artifacts and all they were made from as a Provenance Run Crate (RO-Crate)."""
    from fpc.lineage.ancestry import manifest_of
    from fpc.lineage.crate import CrateError, not_current
    from fpc.lineage.crate import export as pack

    if crate.suffix != ".zip" or crate.is_dir():
        raise ConfigError(f"{crate}: the crate comes first and is a file that ends with .zip")
    places = paths or [closing_row(load_configuration(scale, variant), "report").manifest]
    manifests = [manifest_of(in_project(path)) for path in places]
    if not force and (reasons := not_current(manifests, _known_configurations(None, None))):
        raise CrateError(
            f"{reasons[0]} ({len(reasons)} in all); make it again, or pack it all the same with --force"
        )
    made = pack(crate, manifests, weights=weights, agent=agent)
    size = crate.stat().st_size / 1e6
    typer.echo(f"{crate}: {len(made.artifacts)} artifacts, {len(made.packed())} files, {size:.1f} MB")


@audit.command()
def keygen(
    key: Annotated[Path, typer.Argument(help="The private key to write, outside the project.")],
    encrypt: Annotated[
        bool, typer.Option(help="Ask for a passphrase, unless FPC_KEY_PASSPHRASE is set.")
    ] = False,
) -> None:
    """Make a key to sign with: KEY, which stays with you, and KEY.pub, with which others verify."""
    from fpc.lineage.signing import PASSPHRASE, make_key

    passphrase = os.environ.get(PASSPHRASE)
    if encrypt and not passphrase:
        passphrase = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
    typer.echo(f"{key}: keep it; {make_key(key, passphrase)}: give it away")


@audit.command()
def sign(
    key: Annotated[Path, typer.Option(help="A private key that fpc audit keygen made.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders or manifests; all results without.")
    ] = None,
) -> None:
    """Sign manifests: a DSSE envelope beside each, manifest.dsse.json. Verify what you sign first."""
    from fpc.lineage.signing import read_private_key
    from fpc.lineage.signing import sign as sign_manifest

    manifests = _manifests_below(paths)
    signer = read_private_key(key, lambda: str(typer.prompt(f"Passphrase of {key}", hide_input=True)))
    for manifest in manifests:
        sign_manifest(manifest, signer)
    typer.echo(f"{len(manifests)} manifests signed with key {signer.public_key.keyid}")
