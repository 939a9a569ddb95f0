"""Commands for what DVC keeps: stages, record."""

from __future__ import annotations

from typing import Annotated

import typer

from fpc.cli.inspection import config
from fpc.cli.options import Scale, Variant, load_configuration
from fpc.core.errors import ConfigError


@config.command()
def stages(
    scale: Annotated[str | None, typer.Option(help="Add this scale to those in dvc.yaml.")] = None,
    variant: Variant = None,
) -> None:
    """Write dvc.yaml from the run tables of its scales, and optionally of one more.

    A scale or variant whose file is gone loses its stages.
    """
    from fpc.workflow.dvc_pipeline import PIPELINE, write_pipeline

    if variant and scale is None:
        raise ConfigError("--variant needs --scale")
    written = write_pipeline(None if scale is None else load_configuration(scale, variant))
    typer.echo(f"{PIPELINE}: {', '.join(written.labels) or 'no scale'}")
    for label in written.dropped:
        typer.echo(f"{label}: dropped, as its configuration file is gone")


def record(scale: Scale = "demo", variant: Variant = None) -> None:
    """Record results in DVC: digests in dvc.lock and weights/, contents in the cache.

    Run it after the jobs, never inside one, because DVC locks the whole project. Snakemake's target
    `record` does this.
    """
    from fpc.workflow.dvc_record import record as work

    for line in work(load_configuration(scale, variant)):
        typer.echo(line)
