"""Finds the manifest of a file: from its path in the results, or from the metadata in a copy of a figure."""

from __future__ import annotations

import csv
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fpc.core.errors import ConfigError, DataError
from fpc.core.files import sha256_of
from fpc.figures.embedded import Altered, read_source
from fpc.lineage.ancestry import manifest_of
from fpc.lineage.artifact import RESULTS, Row, label_of
from fpc.lineage.manifest import Manifest, ManifestError, read
from fpc.lineage.places import project_path

Match = Literal["identical", "same rows", "same data", "other data", "unknown data"]
"""A copy of a figure compared with the one here.

``same rows``: a CSV saved again, whose rows were compared; ``same data``: an image that says so; ``unknown
data``: the figure here cannot be read.
"""


@dataclass(frozen=True)
class Location:
    """The manifest of a file; for a copy of a figure, also what it says and how it compares."""

    manifest: Path
    says: str | None = None
    match: Match | None = None
    words: tuple[str, ...] = ()


def locate(path: Path) -> Location:
    """Find the manifest of a file.

    Raises:
        ConfigError: there is no such file, or it belongs to no artifact.
        DataError: it is a copy of a figure's data, altered.
        ManifestError: it is a copy of a figure that is not here.
    """
    here = project_path(path)
    if here is not None and here.is_relative_to(RESULTS):
        return Location(manifest_of(here))
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        raise ConfigError(f"{path} {what}; give an artifact, its manifest or one of its files")
    return _locate_copy(path)


def _locate_copy(path: Path) -> Location:
    """Locate a copy of a figure outside the results."""
    try:
        command, digest = _source(path)
        row = _row_of(command)
    except Altered as error:
        raise DataError(str(error)) from error
    except (ValueError, KeyError) as error:
        text = str(error).removeprefix(f"{path}: ")
        raise ConfigError(f"{path} cannot be traced: {text}") from error
    says = f"made by `{command}`, plotted data sha256 {digest}"
    if not row.manifest.is_file():
        raise ManifestError(f"{path} says: {says}; that figure is not here: {row.manifest} is missing")
    match, words = _compared(path, digest, row, read(row.manifest))
    return Location(row.manifest, says, match, (f"{path} says: {says}", words))


def _source(path: Path) -> tuple[str, str]:
    """Command and digest embedded in a figure's file.

    Raises:
        ValueError: it has none, or not those of a figure of this project.
    """
    from PIL.Image import DecompressionBombError

    try:
        command, digest = read_source(path)
    except (RecursionError, csv.Error, DecompressionBombError) as error:
        raise ValueError(f"{path}: not a figure of this project ({error})") from error
    if not (command + digest).isprintable():  # both are shown on a terminal
        raise ValueError(f"{path}: not a figure of this project (control characters)")
    return command, digest


def _compared(path: Path, digest: str, row: Row, manifest: Manifest) -> tuple[Match, str]:
    """Whether the file, or at least its data, matches the figure here; also in words."""
    own = row.folder / f"{row.name}{path.suffix.lower()}"
    if manifest.subjects.get(own.name) == sha256_of(path):
        return "identical", f"It is the file that the manifest of {own} names, byte for byte."
    try:
        same = _source(own)[1] == digest
    except ValueError as error:
        words = f"It is not the file that the manifest names, and its data cannot be compared: {error}."
        return "unknown data", words
    if same and own.suffix == ".csv":
        words = f"Its rows are those of {own}; only the form of the file differs (such as line ends)."
        return "same rows", words
    if same:
        words = f"It says that it shows the data of {own}, but its bytes differ (other code, or altered)."
        return "same data", words
    return (
        "other data",
        f"It says that it shows data other than that of {own}: made from other runs, or altered.",
    )


def _row_of(command: str) -> Row:
    """The figure that a command draws.

    Raises:
        ValueError: the command does not draw a figure.
    """
    words = shlex.split(command)
    options: dict[str, str] = dict(word.removeprefix("--").split("=", 1) for word in words[2:] if "=" in word)
    if words[:2] != ["fpc", "figure"] or not {"scale", "name"} <= options.keys() <= {
        "scale",
        "variant",
        "name",
    }:
        raise ValueError(f"'{command}' does not draw a figure")
    label = label_of(options["scale"], options.get("variant"))
    row = Row(label, "figure", name=options["name"])
    if ".." in row.manifest.parts or row.manifest.is_absolute():
        raise ValueError(f"'{command}' leads outside the results")
    return row
