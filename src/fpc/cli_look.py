"""Verbs that look and change nothing: plan, status, audit, config."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated

import click
import typer

from fpc.cli_options import Scale, Variant, load_configuration
from fpc.config.errors import ConfigError
from fpc.config.loader import scales, variants
from fpc.config.root import Configuration
from fpc.table import RESULTS

audit = typer.Typer(no_args_is_help=True, help="Check artifacts against their manifests.")
config = typer.Typer(no_args_is_help=True, help="Show the configuration, and what is made from its types.")


def plan(scale: Scale = "demo", variant: Variant = None) -> None:
    """Print runs, steps and expected hours, before anything starts."""
    from fpc.plan import plan_text

    typer.echo(plan_text(load_configuration(scale, variant)))


def status(
    scale: Scale = "demo",
    variant: Variant = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[
        float | None, typer.Option(help="Show it again every so many seconds, until Ctrl-C.", min=0.1)
    ] = None,
) -> None:
    """Show each run's state, progress, steps per second, tries and time left, from files alone."""
    from fpc.status import run_states, status_text

    configuration = load_configuration(scale, variant)
    while True:
        states = run_states(configuration)
        text = json.dumps([state.as_dict() for state in states]) if as_json else status_text(states)
        if watch is not None and not as_json:
            click.clear()
        typer.echo(text)
        if watch is None:
            return
        time.sleep(watch)


def explain(
    run: Annotated[
        Path, typer.Argument(help="An artifact: its folder, its manifest, or one of a figure's files.")
    ],
) -> None:
    """Say in words why a run would be made, made again, or not."""
    from fpc.explain import explain_text

    typer.echo(explain_text(_in_project(run)))


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


def _in_project(path: Path) -> Path:
    """The path as the run table writes it.

    Raises:
        ConfigError: it lies outside the current folder, where no manifest's parents would be found.
    """
    here = Path.cwd()
    if not path.resolve().is_relative_to(here):
        raise ConfigError(f"{path} lies outside this project; run the audit in the project it belongs to")
    return path.resolve().relative_to(here)


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
    places = [_in_project(path) for path in paths or []]
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


@config.command()
def show(scale: Scale = "demo", variant: Variant = None) -> None:
    """Print the whole configuration of a scale, overlays applied."""
    from fpc.config.schema import as_yaml

    typer.echo(as_yaml(load_configuration(scale, variant)), nl=False)


@config.command()
def check(scale: Scale = "demo", variant: Variant = None) -> None:
    """Validate a scale's configuration; prints nothing but its name when it is right."""
    typer.echo(f"{load_configuration(scale, variant).label}: valid")


@config.command()
def reference() -> None:
    """Write configs/schema.json and docs/reference/configuration.md from the types."""
    from fpc.config.schema import write_reference

    for path in write_reference():
        typer.echo(path)
