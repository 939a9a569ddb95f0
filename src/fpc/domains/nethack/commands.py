"""NetHack's own commands: fetch, import-policy and export-policy, for published data and weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from fpc.config.experiment import Experiment
from fpc.core.errors import ConfigError, DataError, unknown
from fpc.core.files import read_json
from fpc.domains.nethack.config import NetHackExperiment, NetworkOptions

Scale = Annotated[str, typer.Option(help="Scale that defines the network.")]
NetHack = Annotated[str, typer.Option(help="NetHack experiment of that scale.")]


def commands(experiments: Callable[[str], Mapping[str, Experiment]]) -> tuple[Callable[..., None], ...]:
    """The commands; ``experiments`` returns the validated experiments of a scale."""

    def import_policy(
        checkpoint: Annotated[Path, typer.Argument(help="A published torch checkpoint.")],
        output: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
        scale: Scale = "paper",
        experiment: NetHack = "nethack",
        sha256: Annotated[
            str | None, typer.Option(help="Refuse a checkpoint with a different digest.")
        ] = None,
    ) -> None:
        """Convert published NetHack weights to safetensors without running code in the checkpoint."""
        network = _network(experiments(scale), scale, experiment)
        from fpc.domains.nethack.published_weights import import_policy as convert

        found = convert(checkpoint, output, network, sha256=sha256)
        typer.echo(
            f"{checkpoint}: sha256 {found.source_sha256}, {found.numbers} numbers under {found.nesting}"
        )
        typer.echo(f"{output}: sha256 {found.sha256}")

    def export_policy(
        policy: Annotated[Path, typer.Argument(help="A policy.safetensors file, or a milestone.")],
        output: Annotated[Path, typer.Argument(help="The torch checkpoint to write.")],
        scale: Scale = "paper",
        experiment: NetHack = "nethack",
        pi_star: Annotated[
            Path | None,
            typer.Option(help="The policy.safetensors that a milestone was fine-tuned from."),
        ] = None,
    ) -> None:
        """Write a NetHack policy in the format that the paper's code reads."""
        network = _network(experiments(scale), scale, experiment)
        from fpc.domains.nethack.published_weights import export_policy as convert

        typer.echo(f"{output}: sha256 {convert(policy, output, network, pi_star)}")

    return fetch, import_policy, export_policy


def fetch(
    name: Annotated[str, typer.Argument(help="Name of an external input, e.g. nld_aa_taster.")],
    file: Annotated[
        list[Path] | None, typer.Option(help="A file downloaded by hand, named as on its host; repeatable.")
    ] = None,
) -> None:
    """Download an external input to data/external/, keeping existing files and resuming partial ones."""
    from fpc.domains.nethack.external_inputs import LOCK, external_input
    from fpc.domains.nethack.external_inputs import fetch as get

    wanted = external_input(name)
    if LOCK.exists():
        try:
            read_json(LOCK)
        except DataError as error:
            raise DataError(
                f"{error}; restore it from git if it was committed, or remove it to pin what is "
                "downloaded next"
            ) from error
    typer.echo(f"{wanted.name}: {wanted.description} Licence: {wanted.licence}.")
    typer.echo(get(name, given={path.name: path for path in file or ()}))


def _network(experiments: Mapping[str, Experiment], scale: str, name: str) -> NetworkOptions:
    """Network sizes of an experiment.

    Raises:
        ConfigError: there is no such experiment, or it is not a NetHack experiment.
    """
    allowed = [key for key, value in experiments.items() if isinstance(value, NetHackExperiment)]
    experiment = experiments.get(name)
    if not isinstance(experiment, NetHackExperiment):
        raise ConfigError(f"scale {scale}: {unknown('NetHack experiment', name, allowed)}")
    return experiment.network
