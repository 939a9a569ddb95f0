"""`fpc try`: a retention method of one's own, from its file to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fpc.cli.benchmark import show_benchmark
from fpc.cli.options import Scale


def try_method(
    method: Annotated[Path, typer.Argument(help="The Python file of a retention method.")],
    option: Annotated[
        list[str] | None,
        typer.Option(help="name=value for all domains, or domain:name=value; may be repeated."),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="Only in this domain; may be repeated (default: all that the method can serve)."),
    ] = None,
    scale: Scale = "laptop",
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of seeds (default: those of the other methods); not used where it would split a run "
            "that trains several.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Name of the variant (default: that of the file).")] = None,
    cores: Annotated[int, typer.Option(min=1, help="Number of runs side by side.")] = 2,
    plan_only: Annotated[bool, typer.Option("--plan", help="Check and plan, but run nothing.")] = False,
) -> None:
    """Check a retention method, run it at a scale, and compare it with the methods that were run before.

    The method need not be part of the package. Its runs, figures and verdicts are those of a variant,
    results/<scale>+<name>; the scale's own runs are shared and not made again. Repeat the command to
    continue an interrupted trial.
    """
    from fpc.claims.testing import benchmark_of
    from fpc.workflow.trying import trial as trying
    from fpc.workflow.trying.effect import without_effect

    asked = trying.Asked(method, option or [], domain or [], scale, seeds, name)
    if plan_only:
        with trying.planned(asked) as trial:
            typer.echo(trying.plan_text(trial, trying.parts(trial)))
        typer.echo("nothing was run or written")
        return
    with trying.begun(asked) as trial:
        parts = trying.parts(trial)
        typer.echo(trying.plan_text(trial, parts))
        trying.check_present(parts)
        code = trying.run(trial, cores)
    label, variant = trial.configuration.label, trial.configuration.variant
    if code:
        typer.echo(
            "the trial stopped; repeat the command to continue it, after a failure once its cause is removed "
            f"(logs: results/.logs/{label})",
            err=True,
        )
        raise typer.Exit(code)
    compared = [name for name in trial.experiments if benchmark_of(name) is not None]
    if compared:
        show_benchmark(trial.configuration, compared)
    if others := [name for name in trial.experiments if name not in compared]:
        typer.echo(f"no table of {', '.join(others)}, whose claims define no BENCHMARK")
    for domain_name in without_effect(trial):
        typer.echo(f"{trial.method} changed nothing on {domain_name}: all its policies equal vanilla's")
    typer.echo(f"figures: results/{label}/figures; claims: results/{label}/claims.md")
    typer.echo(
        f"this table again: fpc benchmark --scale {scale} --variant {variant} "
        "(as data: --csv FILE; against one method: --against ewc)"
    )
