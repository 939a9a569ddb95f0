"""`fpc export-model`: a policy as a folder for the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fpc.cli.audit import known_projects
from fpc.cli.options import in_project, output_folder


def export_model(
    artifact: Annotated[
        Path, typer.Argument(help="The folder of a pretrain or finetune run, or one of its files.")
    ],
    output: Annotated[Path, typer.Argument(help="The folder to write.", callback=output_folder)],
    step: Annotated[
        int | None, typer.Option(help="Milestone of a fine-tuned run (default: the last).")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier export.")] = False,
) -> None:
    """Write a policy as a folder in Hugging Face layout: weights, configuration, model card, manifest.

    Only of an artifact that is current and whose weights are here. Nothing is uploaded.
    """
    from fpc.lineage.ancestry import manifest_of
    from fpc.workflow.model_export import export_model as export

    manifest = manifest_of(in_project(artifact))
    weights = export(manifest, output, known_projects(None, None), step=step, force=force)
    typer.echo(f"{output}: {weights}")
