"""`fpc benchmark`: the table that compares methods, from current results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fpc.cli.options import Scale, Variant, load_configuration, output_file
from fpc.core.errors import ConfigError, unknown

if TYPE_CHECKING:
    from fpc.workflow.configuration import Configuration


def benchmark(
    scale: Scale = "laptop",
    variant: Variant = None,
    domain: Annotated[
        list[str] | None, typer.Option(help="Only this domain; may be repeated (default: all).")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="Compare with this method instead of the best other.")
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Write one row per method, domain and metric to this file instead.", callback=output_file
        ),
    ] = None,
) -> None:
    """Compare the methods of each domain: score, difference from vanilla and from the best other, Far kept.

    Only current results are used. Without --variant, methods that variants in git bring are compared too.
    """
    configuration = load_configuration(scale, variant)
    show_benchmark(configuration, domain, csv, against)


def show_benchmark(
    configuration: Configuration,
    domains: Sequence[str] | None,
    csv: Path | None = None,
    against: str | None = None,
) -> None:
    """Print the tables of these domains (None: all), or write them as CSV.

    Raises:
        ConfigError: a domain has no table, or none has the method to compare with.
    """
    from fpc.core.files import write_text
    from fpc.reporting.benchmark_csv import csv_text
    from fpc.reporting.benchmark_pages import table_text
    from fpc.workflow.benchmark import benchmark as tables_of
    from fpc.workflow.benchmark import committed, compared_domains

    others = committed(configuration.scale, _say_wrong) if configuration.base is None else []
    compared = compared_domains(configuration, others)
    for name in domains or []:
        if name not in compared:
            raise ConfigError(f"--domain {name}: {unknown('domain with a benchmark', name, compared)}")
    tables = tables_of(configuration, others, domains, against)
    found = [table.domain for table in tables]
    for name in domains or []:
        if name not in found:
            raise ConfigError(f"--against {against}: {name} does not have this method; leave out one of them")
    if csv is None:
        typer.echo(table_text(tables))
        return
    write_text(csv, csv_text(tables))
    typer.echo(f"{csv}: methods of {len(tables)} domains")


def _say_wrong(variant: str, error: ConfigError) -> None:
    typer.echo(f"fpc: the methods of variant {variant} are left out: {error}", err=True)
