"""Options shared by the commands, and their checks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fpc.core.errors import ConfigError, unknown
from fpc.lineage.artifact import parse_seeds, seeds_name
from fpc.lineage.places import project_path
from fpc.workflow.configuration import Configuration
from fpc.workflow.loader import load, scales, variants
from fpc.workflow.run_table import experiment_rows, run_row

Scale = Annotated[
    str, typer.Option(help="Name of a file in configs/, without .yaml.", autocompletion=lambda: scales())
]
Variant = Annotated[
    str | None,
    typer.Option(
        help="Name of a file in configs/variants/, without .yaml.", autocompletion=lambda: variants()
    ),
]
Experiment = Annotated[str, typer.Option(help="An experiment of the configuration.")]
Method = Annotated[str, typer.Option(help="A method of the experiment.")]
Seeds = Annotated[str, typer.Option(help="One seed (3), or the group that one run trains (0-19).")]


def load_configuration(scale: str, variant: str | None) -> Configuration:
    """The validated configuration."""
    return load(scale, variant)


def check_run(
    configuration: Configuration, experiment: str, method: str | None, seeds: str, phase: str
) -> tuple[int, ...]:
    """Parse the seeds of a run and check that the configuration has it.

    Raises:
        ConfigError: there is no such run; the text lists the allowed ones.
    """
    where = f"scale {configuration.label}: "
    if experiment not in configuration.experiments:
        raise ConfigError(where + unknown("experiment", experiment, configuration.experiments))
    made = [row for row in experiment_rows(configuration, experiment) if row.phase == phase]
    methods = list(dict.fromkeys(row.method for row in made if row.method is not None))
    if method is not None and method not in methods:
        raise ConfigError(where + unknown("method", method, methods))
    try:
        wanted = parse_seeds(seeds)
    except ValueError as error:
        raise ConfigError(f"--seeds={seeds}: give one seed (3) or a group (0-19)") from error
    row = run_row(configuration, phase, experiment, method, wanted)
    possible = [other for other in made if other.method == method]
    if row not in possible:
        listed = ", ".join(seeds_name(other.seeds).partition("_")[2] for other in possible)
        raise ConfigError(where + f"{experiment} has no {phase} run with seeds {seeds}. Allowed: {listed}.")
    return wanted


def output_file(path: Path | None) -> Path | None:
    """Check, before any work, that a file can be written here: the callback of options and arguments.

    Raises:
        ConfigError: it is a folder, or lies below a file.
    """
    if path is not None and path.is_dir():
        raise ConfigError(f"{path} is a folder; give the name of a file")
    return output_folder(path)


def output_folder(path: Path | None) -> Path | None:
    """Check, before any work, that a folder can be made here.

    Raises:
        ConfigError: it lies below a file.
    """
    above = [] if path is None else [parent for parent in path.resolve().parents if parent.exists()]
    if above and not above[0].is_dir():
        raise ConfigError(f"{path} cannot be written, as {above[0]} is a file; choose another place")
    return path


def in_project(path: Path) -> Path:
    """The path relative to the current folder, as the run table writes it.

    Raises:
        ConfigError: it is outside the current folder, where no manifest's parents would be found.
    """
    if (found := project_path(path)) is None:
        raise ConfigError(f"{path} is outside this project; run the command in the project it belongs to")
    return found
