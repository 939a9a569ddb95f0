"""Commands of `fpc audit` for sharing results: export a crate, make a key, sign."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fpc.cli.audit import known_projects
from fpc.cli.options import Scale, Variant, in_project, load_configuration, output_folder
from fpc.core.errors import ConfigError
from fpc.lineage.artifact import RESULTS
from fpc.workflow.configuration import Configuration
from fpc.workflow.run_table import closing_row


def _manifests_below(paths: list[Path] | None) -> list[Path]:
    """Manifests at or below these paths (default: all results).

    Raises:
        ConfigError: one of the paths has none.
    """
    found: set[Path] = set()
    for target in [in_project(path) for path in paths or [RESULTS]]:
        below = target.rglob("*manifest.json") if target.is_dir() else [target]
        manifests = {path for path in below if path.name.endswith("manifest.json") and path.is_file()}
        manifests -= {path for path in manifests if any(part.startswith(".") for part in path.parts)}
        if not manifests:
            raise ConfigError(f"no manifest below {target}; give artifacts below {RESULTS}")
        found |= manifests
    return sorted(found)


def _report(configuration: Configuration) -> Path:
    """The manifest of a scale's report.

    Raises:
        ConfigError: it has not been made.
    """
    manifest = closing_row(configuration, "report").manifest
    if not manifest.is_file():
        made = ", ".join(sorted(path.parent.name for path in RESULTS.glob("[!.]*/report.manifest.json")))
        having = f"scales with a report: {made or 'none'}"
        raise ConfigError(f"scale {configuration.label} has no report; make it, or give --scale ({having})")
    return manifest


def export(
    crate: Annotated[Path, typer.Argument(help="The zip file to write.", callback=output_folder)],
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Artifacts, their folders or files (default: the report of --scale)."),
    ] = None,
    scale: Scale = "demo",
    variant: Variant = None,
    weights: Annotated[bool, typer.Option(help="Also pack weights and expert data.")] = False,
    agent: Annotated[
        str | None, typer.Option(help="Name of the person who ran it (default: not stated).")
    ] = None,
    force: Annotated[bool, typer.Option(help="Also pack stale artifacts.")] = False,
) -> None:
    """Pack artifacts and everything they were made from as a Provenance Run Crate (RO-Crate)."""
    from fpc.lineage.ancestry import manifest_of
    from fpc.lineage.crate.contents import CrateError
    from fpc.lineage.crate.export import export as pack
    from fpc.lineage.crate.export import not_current
    from fpc.lineage.verdict import Verdict
    from fpc.workflow.dvc_pipeline import configuration_files

    if crate.suffix != ".zip" or crate.is_dir():
        raise ConfigError(f"{crate}: the first argument is the crate, a file that ends with .zip")
    if crate.resolve().is_relative_to(RESULTS.resolve()):
        raise ConfigError(f"{crate}: inside {RESULTS}/ no manifest would name this file; write it elsewhere")
    targets = paths or [_report(load_configuration(scale, variant))]
    manifests = [manifest_of(in_project(path)) for path in targets]
    if wrong := not_current(manifests, known_projects(None, None)):
        worst = wrong[0]
        text = f"{worst.artifact} is {worst.verdict}: {'; '.join(worst.reasons)} ({len(wrong)} in all)"
        if worst.verdict == Verdict.TAMPERED:
            raise CrateError(f"{text}; restore it or make it again")
        if not force:
            raise CrateError(f"{text}; make it again, or pack it anyway with --force")
    made = pack(crate, manifests, configuration_files=configuration_files, weights=weights, agent=agent)
    size = crate.stat().st_size / 1e6
    typer.echo(f"{crate}: {len(made.artifacts)} artifacts, {len(made.packed())} files, {size:.1f} MB")


def keygen(
    key: Annotated[Path, typer.Argument(help="The private key to write, outside the project.")],
    encrypt: Annotated[
        bool, typer.Option(help="Ask for a passphrase, unless FPC_KEY_PASSPHRASE is set.")
    ] = False,
) -> None:
    """Make a key pair for signing: KEY, which you keep private, and KEY.pub, for others to verify with."""
    from fpc.lineage.signing import PASSPHRASE, make_key

    passphrase = os.environ.get(PASSPHRASE)
    if encrypt and not passphrase:
        passphrase = typer.prompt("Passphrase", hide_input=True, confirmation_prompt=True)
    typer.echo(f"{key}: keep it private; {make_key(key, passphrase)}: share it")


def sign(
    key: Annotated[Path, typer.Option(help="A private key made by fpc audit keygen.")],
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders or manifests (default: all results).")
    ] = None,
) -> None:
    """Sign manifests: write a DSSE envelope (manifest.dsse.json) beside each. Verify them first."""
    from fpc.lineage.signing import read_private_key
    from fpc.lineage.signing import sign as sign_manifest

    manifests = _manifests_below(paths)
    signer = read_private_key(key, lambda: str(typer.prompt(f"Passphrase of {key}", hide_input=True)))
    for manifest in manifests:
        sign_manifest(manifest, signer)
    typer.echo(f"{len(manifests)} manifests signed with key {signer.public_key.keyid}")
