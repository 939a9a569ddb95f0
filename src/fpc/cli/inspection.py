"""Inspection commands: plan, status, explain, and config, which also writes the generated reference."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import click
import typer

from fpc.cli.options import Scale, Variant, in_project, load_configuration

config = typer.Typer(
    no_args_is_help=True, help="Show or check the configuration; write the files generated from it."
)


def plan(scale: Scale = "demo", variant: Variant = None) -> None:
    """Print runs, steps, expected hours and disk before anything starts, with each number's source."""
    from fpc.workflow.inputs import missing_note
    from fpc.workflow.plan import plan_text
    from fpc.workflow.speeds import read_speeds

    configuration = load_configuration(scale, variant)
    typer.echo(plan_text(configuration, read_speeds(configuration.label)))
    if note := missing_note(configuration):
        typer.echo(f"note: {note}", err=True)


def check_machine(
    scale: Scale = "demo",
    variant: Variant = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check this machine for a scale: GPU, driver, torch, disk, files, data, Slurm; each with its remedy.

    Exit code 0: nothing is a problem. 1: something is.
    """
    from fpc.workflow import check as checks

    configuration = load_configuration(scale, variant)
    lines = checks.check(configuration)
    typer.echo(checks.as_json(lines) if as_json else checks.check_text(configuration.label, lines))
    raise typer.Exit(0 if checks.is_fine(lines) else 1)


def measure(
    scale: Scale = "demo",
    variant: Variant = None,
    experiment: Annotated[
        str | None, typer.Option(help="Only this experiment (default: one of each domain).")
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="Seconds of training for each, after its start-up.", min=3.0)
    ] = 180.0,
) -> None:
    """Measure a scale's training speed on this machine for some minutes; `fpc plan` then uses it.

    Environments, networks and learners have the scale's own sizes; nothing is published. Run it on the kind
    of node that will train, with the cores and GPU of its jobs. Exit code 1: something was not measured.
    """
    from fpc.workflow.measuring import measure as work
    from fpc.workflow.measuring import measured_experiments
    from fpc.workflow.speeds import write_speeds

    configuration = load_configuration(scale, variant)
    failed = False
    for name, domain, found in work(configuration, measured_experiments(configuration, experiment), seconds):
        if isinstance(found, str):
            failed = True
            typer.echo(f"{name}: not measured: {found}", err=True)
            continue
        for phase, speed in found.items():
            typer.echo(f"{name} {phase}: {speed.steps_per_second:,.1f} steps/s ({speed.origin})")
        if found:
            typer.echo(f"-> {write_speeds(configuration.label, {domain: found})}")
        else:
            typer.echo(f"{name}: takes minutes anyway")
    raise typer.Exit(1 if failed else 0)


def status(
    scale: Scale = "demo",
    variant: Variant = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    watch: Annotated[
        float | None,
        typer.Option(help="Refresh at this interval (seconds) until Ctrl-C.", min=0.1, max=86400),
    ] = None,
) -> None:
    """Show each run's state, progress, speed, attempts and time left, from files alone."""
    from fpc.workflow.output_schemas import as_json as json_text
    from fpc.workflow.status import run_states, status_text
    from fpc.workflow.status_report import status_report

    configuration = load_configuration(scale, variant)
    while True:
        states = run_states(configuration)
        report = status_report(configuration.label, states)
        text = json_text(report) if as_json else status_text(states)
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
    """Explain why an artifact would be made, made again or left as it is."""
    from fpc.workflow.explain import explain_text

    typer.echo(explain_text(in_project(run)))


@config.command()
def show(scale: Scale = "demo", variant: Variant = None) -> None:
    """Print the whole configuration of a scale, with its overlays applied."""
    from fpc.workflow.reference import as_yaml

    typer.echo(as_yaml(load_configuration(scale, variant)), nl=False)


@config.command()
def check(scale: Scale = "demo", variant: Variant = None) -> None:
    """Validate a scale's configuration; prints only its name if it is valid."""
    typer.echo(f"{load_configuration(scale, variant).label}: valid")


@config.command()
def reference() -> None:
    """Write configs/schema.json and docs/reference/configuration.md from the types."""
    from fpc.workflow.reference import write_reference

    for path in write_reference():
        typer.echo(path)
