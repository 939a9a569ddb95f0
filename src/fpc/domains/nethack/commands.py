"""Verbs of NetHack's own: fetch, import-policy, export-policy, for what others made or read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from fpc.config.experiment import Experiment
from fpc.core.errors import ConfigError, unknown
from fpc.domains.nethack.config import NetHackExperiment, NetworkOptions

Scale = Annotated[str, typer.Option(help="The scale whose network it is.")]
NetHack = Annotated[str, typer.Option(help="A NetHack experiment of it.")]


def commands(experiments: Callable[[str], Mapping[str, Experiment]]) -> tuple[Callable[..., None], ...]:
    """The verbs; ``experiments`` gives the validated experiments of a scale."""

    def import_policy(
        checkpoint: Annotated[Path, typer.Argument(help="A published torch checkpoint.")],
        output: Annotated[Path, typer.Argument(help="The safetensors file to write.")],
        scale: Scale = "paper",
        experiment: NetHack = "nethack",
        sha256: Annotated[str | None, typer.Option(help="Refuse a checkpoint with another digest.")] = None,
    ) -> None:
        """Convert published NetHack weights to safetensors; no code in the checkpoint is run."""
        network = _network(experiments(scale), scale, experiment)
        from fpc.domains.nethack.published import import_policy as convert

        found = convert(checkpoint, output, network, sha256=sha256)
        typer.echo(
            f"{checkpoint}: sha256 {found.source_sha256}, {found.numbers} numbers under {found.nesting}"
        )
        typer.echo(f"{output}: sha256 {found.sha256}")

    def export_policy(
        policy: Annotated[Path, typer.Argument(help="A policy.safetensors.")],
        output: Annotated[Path, typer.Argument(help="The torch checkpoint to write.")],
        scale: Scale = "paper",
        experiment: NetHack = "nethack",
    ) -> None:
        """Write a NetHack policy as the paper's code reads it."""
        network = _network(experiments(scale), scale, experiment)
        from fpc.domains.nethack.published import export_policy as convert

        typer.echo(f"{output}: sha256 {convert(policy, output, network)}")

    return fetch, import_policy, export_policy


def fetch(
    name: Annotated[str, typer.Argument(help="An external input, such as nld_aa_taster.")],
    file: Annotated[
        list[Path] | None, typer.Option(help="A file got by hand, under the name it has at its host.")
    ] = None,
) -> None:
    """Download an external input to data/external/; what is there is kept, what broke off is continued."""
    from fpc.domains.nethack.external import external_input
    from fpc.domains.nethack.external import fetch as get

    wanted = external_input(name)
    typer.echo(f"{wanted.name}: {wanted.about} Licence: {wanted.licence}.")
    typer.echo(get(name, given={path.name: path for path in file or ()}))


def _network(experiments: Mapping[str, Experiment], scale: str, name: str) -> NetworkOptions:
    """Sizes of an experiment's network.

    Raises:
        ConfigError: no such experiment, or not one of NetHack.
    """
    allowed = [key for key, value in experiments.items() if isinstance(value, NetHackExperiment)]
    experiment = experiments.get(name)
    if not isinstance(experiment, NetHackExperiment):
        raise ConfigError(f"scale {scale}: {unknown('NetHack experiment', name, allowed)}")
    return experiment.network
