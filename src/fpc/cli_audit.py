"""The verb audit: verify artifacts against their manifests, and see what they were made from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fpc.cli_options import Variant, in_project, load_configuration
from fpc.config.errors import ConfigError
from fpc.config.loader import scales, variants
from fpc.config.root import Configuration
from fpc.table import RESULTS

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
